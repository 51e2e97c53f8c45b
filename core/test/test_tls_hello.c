#include "wire/tls_hello.h"

#include "base/err.h"
#include "test/test.h"

/* The head of a ClientHello's record, and of its message. */
static size_t hello(uint8_t *p, size_t content, size_t message) {
  const uint8_t head[] = {0x16,
                          3,
                          1,
                          (uint8_t)(content >> 8),
                          (uint8_t)content,
                          1,
                          (uint8_t)(message >> 16),
                          (uint8_t)(message >> 8),
                          (uint8_t)message};
  memset(p, 7, 5 + content);
  memcpy(p, head, sizeof head);
  return 5 + content;
}

/* Feeds all in pieces of `step`. What is used goes to *used. */
static int feed(const uint8_t *p, size_t n, size_t step, size_t *used) {
  pml_tls_hello h = {0};
  pml_slice record;
  int r = PML_EAGAIN;
  for (size_t at = 0; at < n && r == PML_EAGAIN; at += step) {
    size_t k = 0;
    r = pml_tls_hello_feed(&h, p + at, step < n - at ? step : n - at, &record, &k);
    if (r) continue;
    *used = at + k;
    CHECK(pml_slice_eq(record, pml_slice_of(p, *used)));
  }
  pml_tls_hello_fini(&h);
  return r;
}

TEST(tls_hello_in_one_piece_or_in_any) {
  static uint8_t b[40000];
  const size_t steps[] = {1, 2, 3, 4, 5, 6, 7, 100, sizeof b}, contents[] = {4, 5, 200, 16384};
  for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
    size_t n = hello(b, contents[i], contents[i] - 4), used = 0;
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
      CHECK_EQ(feed(b, n, steps[k], &used), 0);
      CHECK_EQ(used, n);
      CHECK_EQ(feed(b, n - 1, steps[k], &used), PML_EAGAIN);
      CHECK_EQ(feed(b, n + 10, steps[k], &used), 0); /* what is behind it is not used */
      CHECK_EQ(used, n);
    }
  }
}

TEST(tls_hello_may_be_cut_into_records) {
  uint8_t b[300];
  size_t used, n = hello(b, 100, 16380);
  CHECK_EQ(feed(b, n, sizeof b, &used), 0);
  n = hello(b, 100, 16381);
  CHECK_EQ(feed(b, n, sizeof b, &used), PML_EPROTO);
  CHECK_EQ(feed(b, n, 1, &used), PML_EPROTO);
}

TEST(tls_hello_anything_else_is_refused_at_its_byte) {
  static const struct {
    const char *hex;
    int r;
  } cases[] = {
    {"16", PML_EAGAIN},
    {"15", PML_EPROTO},
    {"1603", PML_EAGAIN},
    {"1602", PML_EPROTO},
    {"1603010000", PML_EPROTO},
    {"1603010003", PML_EPROTO},
    {"1603010004", PML_EAGAIN},
    {"1603014000", PML_EAGAIN},
    {"1603014001", PML_EPROTO},
    {"160301ffff", PML_EPROTO},
    {"160301020001", PML_EAGAIN},
    {"160301020002", PML_EPROTO},
    {"160301020001ffffff", PML_EPROTO},
    {"1603010200010001fc", PML_EAGAIN},
    {"474554202f20485454502f312e310d0a", PML_EPROTO},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t b[64];
    size_t used, n = test_unhex(cases[i].hex, b);
    for (size_t step = 1; step <= n; step++) CHECK_EQ(feed(b, n, step, &used), cases[i].r);
  }
}

TEST(tls_hello_keeps_what_came_and_not_what_was_announced) {
  uint8_t b[20000];
  hello(b, 16384, 16380);
  pml_tls_hello h = {0};
  pml_slice record;
  size_t used;
  CHECK_EQ(pml_tls_hello_feed(&h, b, 100, &record, &used), PML_EAGAIN);
  CHECK(h.part.b->cap < 1024);
  pml_tls_hello_fini(&h);
}
