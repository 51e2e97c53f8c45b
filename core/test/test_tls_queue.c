#include "net/tls_queue.h"

#include "base/container.h"
#include "test/test.h"

enum { MANY = 100 };

static pml_loop *l;
static pml__tls_queue q;
static pml__tls_place places[MANY];
static int began[MANY], begun, cut;
static int leave_at_once;

static void on_begin(pml__tls_place *p) {
  began[begun++] = (int)(p - places);
  if (leave_at_once) pml__tls_queue_leave(&q, p);
}
static void on_cut(pml__tls_place *p) {
  CHECK_EQ(p - places, cut);
  cut++;
  pml__tls_queue_leave(&q, p);
}
static void begin(uint32_t max, uint32_t per_s) {
  l = pml_loop_new_virtual();
  pml__tls_queue_init(&q, l, max, per_s, on_begin, on_cut);
  for (int i = 0; i < MANY; i++) pml__tls_place_init(&places[i]);
}
static void end(void) {
  for (int i = 0; i < MANY; i++) pml__tls_queue_leave(&q, &places[i]);
  CHECK_EQ(q.waiting + q.under_way, 0);
  CHECK(!pml_loop_idle(l, &(uint64_t){0}));
  pml__tls_queue_fini(&q);
  pml_loop_free(l);
}

TEST(tls_queue_over_the_limit_they_wait_in_order) {
  begin(2, 0);
  CHECK(pml__tls_queue_ask(&q, &places[0]));
  CHECK(pml__tls_queue_ask(&q, &places[1]));
  for (int i = 2; i < 6; i++) CHECK(!pml__tls_queue_ask(&q, &places[i]));
  CHECK_EQ(q.under_way, 2);
  CHECK_EQ(q.waiting, 4);
  pml_loop_advance(l, 100);
  CHECK_EQ(begun, 0);
  pml__tls_queue_leave(&q, &places[3]); /* its client has gone */
  pml__tls_queue_leave(&q, &places[3]);
  pml__tls_queue_leave(&q, &places[1]);
  pml_loop_advance(l, 1);
  CHECK_EQ(begun, 1);
  CHECK_EQ(began[0], 2);
  CHECK(!pml__tls_queue_ask(&q, &places[1])); /* comes back, behind the others */
  pml__tls_queue_leave(&q, &places[0]);
  pml__tls_queue_leave(&q, &places[2]);
  pml_loop_advance(l, 1);
  CHECK_EQ(begun, 3);
  CHECK(began[1] == 4 && began[2] == 5);
  end();
}

TEST(tls_queue_one_that_takes_long_makes_room_when_others_wait) {
  begin(2, 0);
  pml__tls_queue_ask(&q, &places[0]);
  pml_loop_advance(l, 10);
  pml__tls_queue_ask(&q, &places[1]);
  pml_loop_advance(l, 5000);
  CHECK_EQ(cut, 0);
  pml__tls_queue_leave(&q, &places[1]);
  pml__tls_queue_ask(&q, &places[1]);
  pml__tls_queue_ask(&q, &places[2]);
  CHECK_EQ(q.waiting, 1);
  pml_loop_advance(l, 1);
  CHECK_EQ(cut, 1);
  CHECK_EQ(begun, 1);
  CHECK_EQ(began[0], 2);
  pml__tls_queue_ask(&q, &places[3]);
  pml_loop_advance(l, PML__TLS_PATIENCE_MS - 2);
  CHECK_EQ(cut, 1);
  pml_loop_advance(l, 1);
  CHECK_EQ(cut, 2);
  CHECK_EQ(began[1], 3);
  end();
}

TEST(tls_queue_so_many_begin_in_a_second) {
  leave_at_once = 1;
  begin(10, 500);
  int at_once = 0;
  for (int i = 0; i < MANY; i++) at_once += pml__tls_queue_ask(&q, &places[i]);
  CHECK_EQ(at_once, 5); /* a hundredth of a second's */
  for (int i = 0; i < 5; i++) pml__tls_queue_leave(&q, &places[i]);
  pml_loop_advance(l, 100);
  CHECK(begun >= 49 && begun <= 51);
  pml_loop_advance(l, 100);
  CHECK_EQ(begun, 95);
  for (int i = 0; i < 95; i++) CHECK_EQ(began[i], i + 5);
  end();
}

TEST(tls_queue_a_slow_pace_lets_one_begin) {
  leave_at_once = 1;
  begin(10, 1);
  CHECK(pml__tls_queue_ask(&q, &places[0]));
  CHECK(!pml__tls_queue_ask(&q, &places[1]));
  pml_loop_advance(l, 999);
  CHECK_EQ(begun, 0);
  pml_loop_advance(l, 1);
  CHECK_EQ(begun, 1);
  end();
}
