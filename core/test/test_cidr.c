#include "base/cidr.h"

#include "base/err.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

static pml_address address(const char *text) {
  pml_address a;
  if (pml_address_parse(pml_slice_str(text), &a)) {
    fprintf(stderr, "%s is no address\n", text);
    exit(1);
  }
  return a;
}

static pml_cidr network(const char *text) {
  pml_cidr c;
  char why[PML_CIDR_WHY];
  if (pml_cidr_parse(pml_slice_str(text), &c, why)) {
    fprintf(stderr, "%s\n", why);
    exit(1);
  }
  return c;
}

static void reads_as(const char *text, const char *printed) {
  char out[PML_ADDRESS_TEXT];
  pml_address a = address(text);
  pml_address_print(&a, out);
  CHECK_STR(out, printed);
}

TEST(cidr_addresses_are_read_and_printed) {
  reads_as("127.0.0.1", "127.0.0.1");
  reads_as("0.0.0.0", "0.0.0.0");
  reads_as("255.255.255.255", "255.255.255.255");
  reads_as("::", "::");
  reads_as("::1", "::1");
  reads_as("[::1]", "::1");
  reads_as("2001:DB8:0:0:0:0:0:1", "2001:db8::1");
  reads_as("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
  reads_as("::ffff:1.2.3.4", "1.2.3.4"); /* a dual-stack socket shows IPv4 clients so */
  reads_as("[::ffff:102:304]", "1.2.3.4");
  pml_address a = address("1.2.3.4");
  CHECK(test_hex_eq(a.b, 16, "00000000000000000000ffff01020304"));
}

TEST(cidr_what_is_no_address_is_refused) {
  static const char *const bad[] = {"",
                                    " ",
                                    "1",
                                    "1.2.3",
                                    "1.2.3.4.5",
                                    "01.2.3.4",
                                    "1.2.3.004",
                                    "1.2.3.256",
                                    "0x1.2.3.4",
                                    "1.2.3.4 ",
                                    " 1.2.3.4",
                                    "+1.2.3.4",
                                    "1.2.3.-4",
                                    "1.2.3.4:80",
                                    "[1.2.3.4]",
                                    "[::1]:80",
                                    "[::1",
                                    "::1]",
                                    "[]",
                                    ":::",
                                    "1::2::3",
                                    "1:2:3:4:5:6:7",
                                    "1:2:3:4:5:6:7:8:9",
                                    "12345::",
                                    "g::",
                                    "fe80::1%lo",
                                    "fe80::1%1",
                                    "::ffff:1.2.3.04",
                                    "::1.2.3",
                                    "localhost",
                                    "0000:0000:0000:0000:0000:0000:0000:00000000000000001"};
  pml_address a;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (!pml_address_parse(pml_slice_str(bad[i]), &a)) {
      fprintf(stderr, "'%s' is an address?\n", bad[i]);
      exit(1);
    }
  CHECK_EQ(pml_address_parse(pml_slice_of("1.2.3.4\0", 8), &a), PML_EINVAL);
  CHECK_EQ(pml_address_parse(pml_slice_of("::1\0junk", 8), &a), PML_EINVAL);
}

TEST(cidr_addresses_of_sockets) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(4000)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(4001)};
  struct sockaddr other = {.sa_family = AF_UNIX};
  pml_address a, b;
  uint16_t port = 0;
  inet_pton(AF_INET, "10.1.2.3", &four.sin_addr);
  inet_pton(AF_INET6, "::ffff:10.1.2.3", &six.sin6_addr);
  CHECK_EQ(pml_address_of((struct sockaddr *)&four, &a, &port), 0);
  CHECK_EQ(port, 4000);
  CHECK_EQ(pml_address_of((struct sockaddr *)&six, &b, &port), 0);
  CHECK_EQ(port, 4001);
  CHECK(pml_address_eq(&a, &b));
  CHECK(pml_address_is_four(&b));
  CHECK_EQ(pml_address_of((struct sockaddr *)&six, &b, NULL), 0);
  CHECK_EQ(pml_address_of(&other, &b, &port), PML_EINVAL);
}

static int is_loopback(const char *text) {
  pml_address a = address(text);
  return pml_address_is_loopback(&a);
}

TEST(cidr_knows_loopback) {
  CHECK(is_loopback("127.0.0.1") && is_loopback("127.255.0.9") && is_loopback("::1"));
  CHECK(is_loopback("::ffff:127.0.0.1"));
  CHECK(!is_loopback("128.0.0.1") && !is_loopback("::2") && !is_loopback("::"));
  CHECK(!is_loopback("7f00::1"));
}

static void place_is(const char *text, const char *place) {
  char out[PML_ADDRESS_TEXT];
  pml_address a = address(text), p = pml_address_place(&a);
  pml_address_print(&p, out);
  CHECK_STR(out, place);
}

TEST(cidr_a_client_has_an_address_or_64_bits) {
  place_is("10.1.2.3", "10.1.2.3");
  place_is("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
}

static void network_is(const char *text, const char *printed) {
  char out[PML_CIDR_TEXT];
  pml_cidr c = network(text);
  pml_cidr_print(&c, out);
  CHECK_STR(out, printed);
}

TEST(cidr_networks_are_read_and_printed) {
  network_is("10.0.0.0/8", "10.0.0.0/8");
  network_is("0.0.0.0/0", "0.0.0.0/0");
  network_is("10.1.2.3", "10.1.2.3");
  network_is("10.1.2.3/32", "10.1.2.3");
  network_is("10.1.2.128/25", "10.1.2.128/25");
  network_is("::/0", "::/0");
  network_is("2001:DB8::/32", "2001:db8::/32");
  network_is("[2001:db8::]/33", "2001:db8::/33");
  network_is("::1/128", "::1");
  network_is("::ffff:10.0.0.0/104", "10.0.0.0/8");
  network_is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
}

static void refused(const char *text, const char *sentence) {
  pml_cidr c;
  char why[PML_CIDR_WHY];
  CHECK_EQ(pml_cidr_parse(pml_slice_str(text), &c, NULL), PML_EINVAL);
  CHECK_EQ(pml_cidr_parse(pml_slice_str(text), &c, why), PML_EINVAL);
  CHECK_STR(why, sentence);
}

TEST(cidr_what_is_no_network_is_refused_with_a_sentence) {
  static const char *const bad[] = {
    "10.0.0.0/",   "10.0.0.0/33",  "10.0.0.0/08",   "10.0.0.0/-1",         "10.0.0.0/+8",
    "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/0008", "10.0.0.0/4294967304", "10.0.0.0/255.0.0.0"};
  char sentence[PML_CIDR_WHY];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(sentence, sizeof sentence, "'%s' is no network: 0 to 32 stands after '/'", bad[i]);
    refused(bad[i], sentence);
  }
  refused("::/129", "'::/129' is no network: 0 to 128 stands after '/'");
  refused("10.0.0.1/8", "'10.0.0.1/8' has bits behind its prefix: the network is '10.0.0.0/8'");
  refused("2001:db8::1/64",
          "'2001:db8::1/64' has bits behind its prefix: the network is '2001:db8::/64'");
  refused("10/8", "'10/8' is neither an address nor a network, such as '10.0.0.0/8'");
  refused("/8", "'/8' is neither an address nor a network, such as '10.0.0.0/8'");
  refused("", "'' is neither an address nor a network, such as '10.0.0.0/8'");
  refused("a\nb", "'a?b' is neither an address nor a network, such as '10.0.0.0/8'");
}

TEST(cidr_a_long_text_is_cut_in_the_sentence) {
  char text[4096], why[PML_CIDR_WHY];
  pml_cidr c;
  memset(text, '1', sizeof text);
  CHECK_EQ(pml_cidr_parse(pml_slice_of(text, sizeof text), &c, why), PML_EINVAL);
  CHECK(strstr(why, "is neither an address nor a network") != NULL);
}

static int has(const char *net, const char *text) {
  pml_cidr c = network(net);
  pml_address a = address(text);
  return pml_cidr_has(&c, &a);
}

TEST(cidr_a_network_has_its_addresses_and_no_others) {
  CHECK(has("10.0.0.0/8", "10.255.255.255") && !has("10.0.0.0/8", "11.0.0.0"));
  CHECK(has("10.1.2.128/25", "10.1.2.128") && !has("10.1.2.128/25", "10.1.2.127"));
  CHECK(has("10.1.2.3", "10.1.2.3") && !has("10.1.2.3", "10.1.2.2"));
  CHECK(has("2001:db8::/33", "2001:db8:7fff::1") && !has("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(has("0.0.0.0/0", "1.2.3.4") && has("::/0", "fe80::1"));
  CHECK(!has("0.0.0.0/0", "::1") && !has("::/0", "1.2.3.4") && !has("::/64", "1.2.3.4"));
}

static int32_t find(const pml_cidr_list *l, const char *text) {
  pml_address a = address(text);
  return pml_cidr_list_find(l, &a);
}

TEST(cidr_a_list_finds_the_widest_network) {
  static const char *const text[] = {
    "10.1.0.0/16",     "10.0.0.0/8", "192.168.1.1", "2001:db8::/32",
    "2001:db8:5::/48", "10.0.0.0/8", "192.168.1.3", "::/64"};
  pml_cidr v[8];
  for (int i = 0; i < 8; i++) v[i] = network(text[i]);
  pml_cidr_list *l = pml_cidr_list_new(v, 8);
  CHECK_EQ(pml_cidr_list_count(l), 8);
  CHECK_EQ(find(l, "10.1.2.3"), 1);
  CHECK_EQ(find(l, "10.0.0.0"), 1);
  CHECK_EQ(find(l, "9.255.255.255"), -1);
  CHECK_EQ(find(l, "11.0.0.0"), -1);
  CHECK_EQ(find(l, "192.168.1.1"), 2);
  CHECK_EQ(find(l, "192.168.1.2"), -1);
  CHECK_EQ(find(l, "192.168.1.3"), 6);
  CHECK_EQ(find(l, "2001:db8:5::1"), 3);
  CHECK_EQ(find(l, "2001:db9::"), -1);
  CHECK_EQ(find(l, "::1"), 7);
  pml_cidr_list_free(l);
}

TEST(cidr_an_empty_list_and_none_have_nothing) {
  pml_cidr_list *l = pml_cidr_list_new(NULL, 0);
  CHECK_EQ(find(l, "1.2.3.4"), -1);
  CHECK_EQ(find(NULL, "1.2.3.4"), -1);
  CHECK_EQ(pml_cidr_list_count(NULL), 0);
  pml_cidr_list_free(l);
  pml_cidr_list_free(NULL);
}

/* Random networks of few different bits, so that they hold each other and lie side by side. */
TEST(cidr_a_list_agrees_with_its_networks) {
  enum { N = 200 };
  pml_cidr v[N];
  unsigned seed = 12;
  for (int i = 0; i < N; i++) {
    pml_address a = address(rand_r(&seed) & 1 ? "10.0.0.0" : "2001:db8::");
    int four = pml_address_is_four(&a);
    for (int k = four ? 13 : 6; k < 16; k++) a.b[k] = (uint8_t)(rand_r(&seed) & 3);
    v[i].bits = (uint8_t)((four ? 100 : 32) + rand_r(&seed) % 24);
    for (int k = v[i].bits; k < 128; k++) a.b[k / 8] &= (uint8_t) ~(0x80 >> k % 8);
    v[i].net = a;
  }
  pml_cidr_list *l = pml_cidr_list_new(v, N);
  for (int i = 0; i < 20000; i++) {
    pml_address a = address(rand_r(&seed) & 1 ? "10.0.0.0" : "2001:db8::");
    for (int k = 13; k < 16; k++) a.b[k] = (uint8_t)(rand_r(&seed) & 7);
    int in = 0;
    for (int k = 0; k < N; k++) in |= pml_cidr_has(&v[k], &a);
    int32_t at = pml_cidr_list_find(l, &a);
    CHECK_EQ(at >= 0, in);
    CHECK(at < 0 || pml_cidr_has(&v[at], &a));
  }
  pml_cidr_list_free(l);
}

TEST(cidr_a_long_list_is_asked_in_no_time) {
  enum { N = 20000 };
  pml_cidr *v = malloc(N * sizeof *v);
  for (int i = 0; i < N; i++) {
    v[i] = network("10.0.0.0");
    v[i].net.b[14] = (uint8_t)(i >> 7);
    v[i].net.b[15] = (uint8_t)(i << 1);
  }
  pml_cidr_list *l = pml_cidr_list_new(v, N);
  clock_t start = clock();
  for (int i = 0; i < 200000; i++) CHECK_EQ(find(l, "10.0.0.1"), -1);
  CHECK(clock() - start < CLOCKS_PER_SEC);
  pml_cidr_list_free(l);
  free(v);
}
