#include "base/bucket.h"

#include "test/test.h"

#define SECOND 1000000000u

TEST(bucket_is_full_to_begin_with) {
  pml_bucket b = {0};
  CHECK(pml_bucket_full(&b, 5 * (uint64_t)SECOND));
  for (int i = 0; i < 10; i++) CHECK_EQ(pml_bucket_take(&b, SECOND, 1, 5, 10), 1);
  CHECK_EQ(pml_bucket_take(&b, SECOND, 1, 5, 10), 0);
  CHECK(!pml_bucket_full(&b, SECOND));
}

TEST(bucket_fills_by_its_rate) {
  pml_bucket b = {0};
  uint64_t now = SECOND;
  CHECK_EQ(pml_bucket_take(&b, now, 10, 5, 10), 1);
  CHECK_EQ(pml_bucket_take(&b, now + SECOND / 5 - 1, 1, 5, 10), 0);
  CHECK_EQ(pml_bucket_take(&b, now + SECOND / 5, 1, 5, 10), 1);
  CHECK_EQ(pml_bucket_take(&b, now + SECOND / 5, 1, 5, 10), 0);
  CHECK(!pml_bucket_full(&b, now + 2 * (uint64_t)SECOND));
  CHECK(pml_bucket_full(&b, now + 2 * (uint64_t)SECOND + SECOND / 5));
  CHECK_EQ(pml_bucket_take(&b, now + 100 * (uint64_t)SECOND, 11, 5, 10), 0); /* more than fits */
}

TEST(bucket_takes_nothing_when_it_refuses) {
  pml_bucket b = {0};
  CHECK_EQ(pml_bucket_take(&b, SECOND, 8, 1, 10), 1);
  for (int i = 0; i < 100; i++) CHECK_EQ(pml_bucket_take(&b, SECOND, 3, 1, 10), 0);
  CHECK_EQ(pml_bucket_take(&b, SECOND, 2, 1, 10), 1);
}

TEST(bucket_gives_its_rate_however_it_is_asked) {
  for (uint64_t step = 100000; step <= 1000000; step *= 10) { /* nanoseconds */
    pml_bucket b = {0};
    uint64_t taken = 0, now = SECOND, end = now + 10 * (uint64_t)SECOND;
    for (; now < end; now += step) taken += pml_bucket_take(&b, now, 1, 7, 1) == 1;
    CHECK(taken >= 69 && taken <= 71);
  }
}

TEST(bucket_holds_what_its_ranges_allow) {
  pml_bucket b = {0};
  uint64_t big = (UINT64_C(1) << 34) - 1, now = 400 * UINT64_C(86400) * SECOND;
  CHECK_EQ(pml_bucket_take(&b, now, big, 1, big), 1);
  CHECK_EQ(pml_bucket_take(&b, now, 1, 1, big), 0);
  CHECK_EQ(pml_bucket_take(&b, now + SECOND, 1, 1, big), 1);
  b = (pml_bucket){0};
  CHECK_EQ(pml_bucket_take(&b, now, 1 << 24, UINT64_C(1) << 30, UINT64_C(1) << 30), 1);
  CHECK_EQ(pml_bucket_take(&b, now, UINT64_C(1) << 30, UINT64_C(1) << 30, UINT64_C(1) << 30), 0);
}
