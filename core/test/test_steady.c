#include "bus/steady.h"

#include "test/test.h"

static pml_steady up(void) {
  pml_steady s = {.heartbeat = 1000};
  pml_steady_link(&s, 1, 10000);
  return s;
}

TEST(steady_from_the_first_heartbeat_that_comes_back) {
  pml_steady s = up();
  CHECK_EQ(pml_steady_check(&s, 10000), 0);
  uint32_t n = pml_steady_send(&s, 10000);
  CHECK_EQ(pml_steady_return(&s, n, 10500), 1);
  CHECK_EQ(s.since, 10500);
  CHECK_EQ(pml_steady_return(&s, n, 10600), 0); /* a second time */
  CHECK_EQ(pml_steady_check(&s, 10900), 1);
  n = pml_steady_send(&s, 11000);
  CHECK_EQ(pml_steady_return(&s, n, 11001), 0);
  CHECK_EQ(s.since, 10500);
}

TEST(steady_ends_with_a_heartbeat_that_is_out_for_too_long) {
  pml_steady s = up();
  pml_steady_return(&s, pml_steady_send(&s, 10000), 10001);
  uint32_t n = pml_steady_send(&s, 11000);
  CHECK_EQ(pml_steady_check(&s, 12000), 1);
  CHECK_EQ(pml_steady_check(&s, 12001), 0);
  CHECK_EQ(pml_steady_return(&s, n, 12002), 0); /* it is late */
  uint32_t late[40];
  for (int i = 0; i < 40; i++) late[i] = pml_steady_send(&s, 13000 + 1000 * (uint64_t)i);
  CHECK_EQ(pml_steady_check(&s, 52500), 0);
  for (int i = 0; i < 39; i++) CHECK_EQ(pml_steady_return(&s, late[i], 52500), 0);
  CHECK_EQ(pml_steady_return(&s, late[39], 52500), 1); /* the last one was not */
  CHECK_EQ(s.since, 52500);
}

TEST(steady_ends_when_this_process_stood_still) {
  pml_steady s = up();
  pml_steady_return(&s, pml_steady_send(&s, 10000), 10001);
  pml_steady_touch(&s, 12000);
  CHECK_EQ(s.steady, 1);
  pml_steady_touch(&s, 14001);
  CHECK_EQ(s.steady, 0);
}

TEST(steady_knows_only_heartbeats_of_this_link) {
  pml_steady s = up();
  uint32_t n = pml_steady_send(&s, 10000);
  pml_steady_link(&s, 0, 10100);
  CHECK_EQ(pml_steady_return(&s, n, 10200), 0);
  pml_steady_link(&s, 1, 10300);
  CHECK_EQ(pml_steady_return(&s, n, 10400), 0);
  CHECK_EQ(pml_steady_return(&s, n + 1, 10400), 0); /* not sent yet */
  CHECK_EQ(pml_steady_check(&s, 10400), 0);
}
