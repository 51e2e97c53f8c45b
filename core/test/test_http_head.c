#include "wire/http_head.h"

#include "base/err.h"
#include "test/test.h"

#define LINE "GET / HTTP/1.1\r\n"

TEST(http_head_gives_its_headers) {
  pml_slice head =
    pml_slice_str(LINE "Host: x\r\nEmpty:\r\nA:  b c\t\r\n:none\r\nno\r\nLast: 1\r\n\r\n");
  pml_slice rest = pml_http_head_headers(head), name, value;
  static const char *const names[] = {"Host", "Empty", "A", "Last"};
  static const char *const values[] = {"x", "", "b c", "1"};
  for (int i = 0; i < 4; i++) {
    CHECK(pml_http_head_next(&rest, &name, &value));
    CHECK_BYTES(name.p, name.n, names[i]);
    CHECK_BYTES(value.p, value.n, values[i]);
  }
  CHECK(!pml_http_head_next(&rest, &name, &value));
}

TEST(http_head_finds_a_header_by_its_name) {
  pml_slice value = {0};
  pml_slice head = pml_slice_str(LINE "origin: a\r\nOrigins: c\r\nORIGIN: b\r\n\r\n");
  CHECK_EQ(pml_http_head_find(head, "Origin", &value), 2);
  CHECK_BYTES(value.p, value.n, "a");
  CHECK_EQ(pml_http_head_find(head, "Host", &value), 0);
  CHECK_EQ(pml_http_head_find(pml_slice_str(""), "Host", &value), 0);
}

/* What the headers say: the address and its port, "none". */
static void says(const char *headers, const char *expected) {
  static const char *const proxies[] = {"10.0.0.0/8", "2001:db8::/32"};
  char text[4096], out[PML_ADDRESS_TEXT + 8] = "none";
  pml_cidr v[2];
  pml_address from;
  uint16_t port;
  for (int i = 0; i < 2; i++) CHECK_EQ(pml_cidr_parse(pml_slice_str(proxies[i]), &v[i], NULL), 0);
  pml_cidr_list *trusted = pml_cidr_list_new(v, 2);
  snprintf(text, sizeof text, LINE "Host: x\r\n%s\r\n", headers);
  int rc = pml_http_head_forwarded(pml_slice_str(text), trusted, &from, &port);
  CHECK(rc == 0 || rc == PML_ENOENT);
  if (!rc) {
    pml_address_print(&from, out);
    if (port) snprintf(out + strlen(out), 8, " %u", port);
  }
  CHECK_STR(out, expected);
  pml_cidr_list_free(trusted);
}

#define X "X-Forwarded-For: "

TEST(http_head_the_last_address_that_is_no_proxy_counts) {
  says("", "none");
  says(X "1.2.3.4\r\n", "1.2.3.4");
  says("x-forwarded-for:1.2.3.4\r\n", "1.2.3.4");
  says(X "6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"); /* the client itself wrote the first */
  says(X "6.6.6.6, 1.2.3.4, 10.1.1.1,10.1.1.2\r\n", "1.2.3.4");
  says(X "10.1.1.1, 10.1.1.2\r\n", "10.1.1.1"); /* all are proxies */
  says(X " , 1.2.3.4 , ,\r\n", "1.2.3.4");
  says(X "\r\n", "none");
  says(X ",,\r\n", "none");
}

TEST(http_head_several_headers_are_one_list) {
  says(X "6.6.6.6\r\n" X "1.2.3.4\r\n", "1.2.3.4");
  says(X "6.6.6.6, 1.2.3.4\r\n" X "10.1.1.1\r\n" X "10.1.1.2\r\n", "1.2.3.4");
  says(X "10.1.1.1\r\n" X "10.1.1.2\r\n", "10.1.1.1");
  says(X "1.2.3.4\r\n" X "\r\n", "1.2.3.4");
  says(X "1.2.3.4\r\n" X "junk, 10.1.1.1\r\n" X "10.1.1.2\r\n", "10.1.1.1");
}

TEST(http_head_addresses_have_several_forms) {
  says(X "1.2.3.4:5000\r\n", "1.2.3.4 5000");
  says(X "2001:DB9::1\r\n", "2001:db9::1");
  says(X "[2001:db9::1]\r\n", "2001:db9::1");
  says(X "[2001:db9::1]:443\r\n", "2001:db9::1 443");
  says(X "::ffff:1.2.3.4\r\n", "1.2.3.4");
}

TEST(http_head_what_is_no_address_ends_what_can_be_believed) {
  says(X "1.2.3.4, unknown\r\n", "none");
  says(X "1.2.3.4, _hidden, 10.1.1.1\r\n", "10.1.1.1");
  says(X "1.2.3.4:\r\n", "none");
  says(X "1.2.3.4:65536\r\n", "none");
  says(X "1.2.3.4:000001\r\n", "none");
  says(X "01.2.3.4\r\n", "none");
  says(X "[1.2.3.4]:5\r\n", "none");
}
