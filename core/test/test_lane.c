#include "loop/lane.h"

#include "loop/timers.h"
#include "test/test.h"

TEST(lane_keeps_the_order_of_starting) {
  pml__lane a = {0};
  pml_timer t[100];
  CHECK(pml__lane_first(&a) == NULL);
  for (int i = 0; i < 100; i++) pml__lane_add(&a, &t[i]); /* grows on the way */
  for (int i = 0; i < 100; i++) {
    CHECK(pml__lane_first(&a) == &t[i]);
    CHECK_EQ(a.count, 100 - i);
    pml__lane_remove(&a, &t[i]);
  }
  CHECK(pml__lane_first(&a) == NULL);
  pml__lane_fini(&a);
}

TEST(lane_passes_over_those_that_were_stopped) {
  pml__lane a = {0};
  pml_timer t[10];
  for (int i = 0; i < 10; i++) pml__lane_add(&a, &t[i]);
  for (int i = 0; i < 10; i++)
    if (i != 4 && i != 7) pml__lane_remove(&a, &t[i]);
  CHECK(pml__lane_first(&a) == &t[4]);
  pml__lane_remove(&a, &t[4]);
  CHECK(pml__lane_first(&a) == &t[7]);
  CHECK_EQ(a.count, 1);
  pml__lane_remove(&a, &t[7]);
  CHECK(pml__lane_first(&a) == NULL);
  pml__lane_fini(&a);
}

TEST(lane_closes_up_before_it_grows) {
  pml__lane a = {0};
  pml_timer first, t[4];
  pml__lane_add(&a, &first);
  for (int i = 0; i < 4; i++) pml__lane_add(&a, &t[i]);
  for (int i = 0; i < 100000; i++) { /* the last one stays, so that holes are before it */
    pml__lane_remove(&a, &t[i % 4]);
    pml__lane_add(&a, &t[i % 4]);
  }
  CHECK_EQ(a.cap, 16);
  CHECK(pml__lane_first(&a) == &first);
  pml__lane_remove(&a, &first);
  for (int i = 0; i < 4; i++) CHECK(a.v[t[i].at & (a.cap - 1)] == &t[i]);
  for (int i = 0; i < 4; i++) {
    CHECK(pml__lane_first(&a) == &t[i]);
    pml__lane_remove(&a, &t[i]);
  }
  pml__lane_fini(&a);
}

/* Places count on for ever, past the end of their numbers too. */
TEST(lane_places_may_wrap) {
  pml__lane a = {.head = UINT32_MAX - 5, .tail = UINT32_MAX - 5};
  pml_timer t[40];
  for (int i = 0; i < 40; i++) pml__lane_add(&a, &t[i]);
  for (int i = 0; i < 40; i++) {
    CHECK(pml__lane_first(&a) == &t[i]);
    pml__lane_remove(&a, &t[i]);
  }
  pml__lane_fini(&a);
}
