#include "base/clock.h"
#include "test/test.h"

TEST(clock_never_goes_back) {
  uint64_t before = pml_clock_ms();
  for (int i = 0; i < 100000; i++) {
    uint64_t now = pml_clock_ms();
    CHECK(now >= before);
    CHECK(now - before < 5000);
    before = now;
  }
  CHECK(pml_clock_us() / 1000 >= before);
  CHECK(pml_clock_us() / 1000 - before < 5000);
}

TEST(clock_wall_is_in_this_century) {
  uint64_t now = pml_clock_wall_ms();
  CHECK(now > 1700000000000u && now < 4102444800000u);
}

TEST(clock_stamp_is_utc_with_milliseconds) {
  char s[25];
  int year, month, day, hour, minute, second, ms, end = 0;
  pml_clock_stamp(s, sizeof s);
  CHECK_EQ(strlen(s), 24);
  CHECK_EQ(sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second,
                  &ms, &end),
           7);
  CHECK_EQ(end, 24);
  CHECK(year >= 2024 && month >= 1 && month <= 12 && day >= 1 && day <= 31);
  CHECK(hour < 24 && minute < 60 && second <= 60 && ms < 1000);
}
