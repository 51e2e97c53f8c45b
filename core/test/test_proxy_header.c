#include "wire/proxy_header.h"

#include "base/err.h"
#include "test/test.h"

static const char sig[] = "\r\n\r\n\0\r\nQUIT\n";

/* Feeds the bytes in pieces of `step`, each of which has memory of its own. What is known of the
 * client goes to said: "1.2.3.4 5", "none", or the error; used: the bytes of the header. */
static int feed_in(const char *p, size_t n, size_t step, char said[64], size_t *used) {
  pml_proxy_header h = {0};
  pml_proxy_client c;
  said[0] = 0;
  for (size_t i = 0; i < n; i += step) {
    size_t k = n - i < step ? n - i : step, own = 77;
    uint8_t *piece = malloc(k);
    memcpy(piece, p + i, k);
    int rc = pml_proxy_header_feed(&h, piece, k, &own, &c);
    free(piece);
    if (rc == PML_EAGAIN) continue;
    *used = i + own;
    if (rc == PML_ENOENT) {
      CHECK_EQ(own, 0);
      pml_slice taken = pml_proxy_header_taken(&h);
      CHECK(taken.n == i && (!i || !memcmp(taken.p, p, i)));
      *used = 0;
    }
    if (rc == 0 && c.known) {
      pml_address_print(&c.from, said);
      snprintf(said + strlen(said), 8, " %u", c.port);
    } else if (rc == 0) {
      strcpy(said, "none");
    }
    return rc;
  }
  *used = n;
  return PML_EAGAIN;
}

/* The same in pieces of every size. */
static int feed(const char *p, size_t n, char said[64], size_t *used) {
  char whole[64];
  size_t whole_used;
  int rc = feed_in(p, n, n, whole, &whole_used);
  for (size_t step = 1; step < n; step += step < 40 ? 1 : 97) {
    CHECK_EQ(feed_in(p, n, step, said, used), rc);
    CHECK_STR(said, whole);
    if (rc == 0 || rc == PML_ENOENT) CHECK_EQ(*used, whole_used);
  }
  strcpy(said, whole);
  *used = whole_used;
  return rc;
}

static void text_is(const char *line, int rc, const char *expected) {
  char bytes[512], said[64];
  size_t used, n = strlen(line);
  memcpy(bytes, line, n);
  memcpy(bytes + n, "\1\0\0\2{}", 6); /* what the client sends */
  CHECK_EQ(feed(bytes, n + 6, said, &used), rc);
  if (rc) return;
  CHECK_STR(said, expected);
  CHECK_EQ(used, n);
}

/* The longest lines of each kind in the description of the protocol, and its example. */
TEST(proxy_header_lines_of_the_description) {
  text_is("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 0, "255.255.255.255 65535");
  text_is("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          0, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
  text_is("PROXY UNKNOWN\r\n", 0, "none");
  text_is("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          0, "none");
  text_is("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", 0, "192.168.0.1 56324");
  text_is("PROXY TCP6 ::ffff:1.2.3.4 ::1 0 443\r\n", 0, "1.2.3.4 0");
}

TEST(proxy_header_lines_that_are_not_well_formed) {
  static const char *const bad[] = {"PROXY \r\n",
                                    "PROXY\t",
                                    "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
                                    "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
                                    "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
                                    "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY TCP4 ::1 ::1 1 2\r\n",
                                    "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
                                    "PROXY TCP6 [::1] ::1 1 2\r\n",
                                    "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
                                    "PROXY UNKNOWNX\r\n",
                                    "PROXY TCP4\r\n",
                                    "PROXY UNKNOWN\n",
                                    "PROXY UNKNOWN "
                                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"};
  char said[64];
  size_t used;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int rc = feed(bad[i], strlen(bad[i]), said, &used);
    int none = i == 1; /* it does not even begin as one */
    if (rc != (none ? PML_ENOENT : PML_EPROTO)) fprintf(stderr, "%s: %d\n", bad[i], rc);
    CHECK_EQ(rc, none ? PML_ENOENT : PML_EPROTO);
  }
  CHECK_EQ(feed("PROXY TCP4 1.2\0.3.4", 19, said, &used), PML_EPROTO);
}

TEST(proxy_header_a_client_of_a_proxy_that_sends_none) {
  char said[64];
  size_t used;
  CHECK_EQ(feed("\1\0\0\2{}", 6, said, &used), PML_ENOENT);
  CHECK_EQ(feed("GET / HTTP/1.1", 14, said, &used), PML_ENOENT);
  CHECK_EQ(feed("POST / HTTP/1.1", 15, said, &used), PML_ENOENT);
  CHECK_EQ(feed("PROXIES ", 8, said, &used), PML_ENOENT);
  CHECK_EQ(feed("\x16\3\1", 3, said, &used), PML_ENOENT); /* TLS */
  CHECK_EQ(feed("PROX", 4, said, &used), PML_EAGAIN);
}

static size_t binary(char *out, int command, int kind, size_t rest, const char *hex) {
  memcpy(out, sig, 12);
  out[12] = (char)command;
  out[13] = (char)kind;
  out[14] = (char)(rest >> 8);
  out[15] = (char)rest;
  memset(out + 16, 0x5a, rest);
  test_unhex(hex, (uint8_t *)out + 16);
  out[16 + rest] = 'G'; /* what the client sends */
  return rest + 17;
}

static void binary_is(int command, int kind, size_t rest, const char *hex, int rc,
                      const char *expected) {
  char *bytes = malloc(70000), said[64];
  size_t used, n = binary(bytes, command, kind, rest, hex);
  CHECK_EQ(feed(bytes, n, said, &used), rc);
  if (!rc) {
    CHECK_STR(said, expected);
    CHECK_EQ(used, n - 1);
  }
  free(bytes);
}

#define FOUR "0102030405060708d90301bb"
#define SIX "20010db800000000000000000000000120010db8000000000000000000000002d90301bb"

TEST(proxy_header_binary_addresses) {
  binary_is(0x21, 0x11, 12, FOUR, 0, "1.2.3.4 55555");
  binary_is(0x21, 0x21, 36, SIX, 0, "2001:db8::1 55555");
  binary_is(0x21, 0x21, 36,
            "00000000000000000000ffff01020304"
            "00000000000000000000000000000001"
            "000101bb",
            0, "1.2.3.4 1");
  binary_is(0x21, 0x31, 216, "", 0, "none"); /* AF_UNIX */
}

TEST(proxy_header_binary_fields_behind_the_addresses_are_skipped) {
  binary_is(0x21, 0x11, 12 + 19, FOUR "01000268320300041122334404000800", 0, "1.2.3.4 55555");
  binary_is(0x21, 0x21, 36 + 600, SIX, 0, "2001:db8::1 55555");
  binary_is(0x21, 0x11, PML_PROXY_REST_MAX, FOUR, 0, "1.2.3.4 55555");
  binary_is(0x21, 0x31, 1000, "", 0, "none");
}

TEST(proxy_header_binary_of_the_proxy_itself) {
  binary_is(0x20, 0x00, 0, "", 0, "none"); /* LOCAL: a check of its health */
  binary_is(0x20, 0x11, 12, FOUR, 0, "none");
  binary_is(0x20, 0x77, 40, "", 0, "none"); /* its kind is not looked at */
  binary_is(0x21, 0x00, 0, "", 0, "none");
  binary_is(0x21, 0x00, 100, "", 0, "none");
  binary_is(0x21, 0x12, 12, FOUR, 0, "none"); /* datagrams */
}

TEST(proxy_header_binary_that_is_not_well_formed) {
  binary_is(0x11, 0x11, 12, FOUR, PML_EPROTO, "");
  binary_is(0x22, 0x11, 12, FOUR, PML_EPROTO, "");
  binary_is(0x2f, 0x11, 12, FOUR, PML_EPROTO, "");
  binary_is(0x21, 0x41, 12, FOUR, PML_EPROTO, "");
  binary_is(0x21, 0x13, 12, FOUR, PML_EPROTO, "");
  binary_is(0x21, 0x11, 11, "", PML_EPROTO, "");
  binary_is(0x21, 0x21, 35, "", PML_EPROTO, "");
  binary_is(0x21, 0x31, 215, "", PML_EPROTO, "");
  binary_is(0x21, 0x11, PML_PROXY_REST_MAX + 1, FOUR, PML_EPROTO, "");
  binary_is(0x21, 0x11, 65535, FOUR, PML_EPROTO, "");
  char said[64];
  size_t used;
  CHECK_EQ(feed("\r\n\r\n\0\r\nQUIX", 11, said, &used), PML_EPROTO);
  CHECK_EQ(feed("\r\nGET", 5, said, &used), PML_EPROTO);
}

TEST(proxy_header_begins_are_known) {
  CHECK(pml_proxy_header_begins((const uint8_t *)"PROXY TCP4", 10));
  CHECK(pml_proxy_header_begins((const uint8_t *)sig, 12));
  CHECK(pml_proxy_header_begins((const uint8_t *)sig, 8));
  CHECK(!pml_proxy_header_begins((const uint8_t *)"PROXY", 5));
  CHECK(!pml_proxy_header_begins((const uint8_t *)"PROXIES", 7));
  CHECK(!pml_proxy_header_begins((const uint8_t *)"GET / HTTP/1.1", 14));
}
