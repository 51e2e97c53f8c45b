#include "store/http_address.h"

#include "test/test.h"

static int private(const char *text) {
  pml_address a;
  CHECK_EQ(pml_address_parse(pml_slice_str(text), &a), 0);
  return pml_http_is_private(&a);
}

TEST(http_address_refuses_what_is_not_for_everybody) {
  static const char *const refused[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.19.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "4000::1",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    if (!private(refused[i])) fprintf(stderr, "%s\n", refused[i]);
    CHECK(private(refused[i]));
  }
}

TEST(http_address_allows_what_is) {
  static const char *const allowed[] = {
    "1.1.1.1",         "9.255.255.255",    "11.0.0.0",        "100.63.255.255",
    "100.128.0.0",     "128.0.0.1",        "169.253.1.1",     "172.15.0.1",
    "172.32.0.1",      "192.0.1.1",        "192.167.1.1",     "198.17.0.1",
    "223.255.255.255", "::ffff:8.8.8.8",   "2606:4700::1111", "2001:4860:4860::8888",
    "2a00::1",         "64:ff9b::808:808",
  };
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
    if (private(allowed[i])) fprintf(stderr, "%s\n", allowed[i]);
    CHECK(!private(allowed[i]));
  }
}
