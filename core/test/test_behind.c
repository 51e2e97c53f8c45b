#include "wire/behind.h"

#include "base/err.h"
#include "test/test.h"

static int never(uint8_t type, pml_slice body, void *ud) {
  (void)type, (void)body, (void)ud;
  return PML_ECLOSED;
}

TEST(behind_counts_requests_and_notifies_whatever_the_pieces) {
  uint8_t bytes[128];
  /* A handshake, a request, a heartbeat, a notify, a push (which counts as a notify), a response,
   * an empty package, and a request of which only the flag is there. */
  size_t n = test_unhex("010000027b7d"
                        "04000007000103616263"
                        "78"
                        "03000000"
                        "040000050203616263"
                        "0400000206ff"
                        "040000020401"
                        "04000000"
                        "0400000100",
                        bytes);
  for (size_t step = 1; step <= n; step++) {
    pml_behind b = {0};
    pml_behind_counts c = {0};
    for (size_t i = 0; i < n; i += step)
      pml_behind_feed(&b, pml_slice_of(bytes + i, n - i < step ? n - i : step), &c);
    CHECK_EQ(c.requests, 2);
    CHECK_EQ(c.notifies, 2);
  }
}

TEST(behind_goes_on_in_the_middle_of_a_package) {
  uint8_t bytes[64];
  uint32_t limit = 1000;
  size_t n = test_unhex("040000070001036162637804000007000103616263"
                        "78",
                        bytes);
  for (size_t cut = 1; cut < 11; cut++) { /* of the first one */
    pml_package_parser p = {0};
    pml_behind_counts c = {0};
    CHECK_EQ(pml_package_feed(&p, bytes, cut, &limit, never, NULL), 0);
    pml_behind b = pml_behind_of(&p, &c);
    CHECK_EQ(c.requests, cut > PML_PKG_HEAD);
    pml_behind_feed(&b, pml_slice_of(bytes + cut, n - cut), &c);
    CHECK_EQ(c.requests, 2);
    pml_package_fini(&p);
  }
}

TEST(behind_counts_nothing_after_what_is_no_package) {
  uint8_t bytes[64];
  pml_behind b = {0};
  pml_behind_counts c = {0};
  size_t n = test_unhex("0400000100"
                        "09"
                        "0400000100",
                        bytes);
  pml_behind_feed(&b, pml_slice_of(bytes, n), &c);
  CHECK_EQ(c.requests, 1);
}
