#include "base/container.h"
#include "loop/loop.h"
#include "test/test.h"

typedef struct {
  pml_task task;
  pml_loop *l;
  int ran, again;
  uint64_t turn[4];
  pml_task *other;
} work;

static void work_run(pml_task *t) {
  work *w = PML_CONTAINER(t, work, task);
  if (w->ran < 4) w->turn[w->ran] = pml_loop_turn(w->l);
  w->ran++;
  if (w->other) pml_loop_defer(w->l, w->other);
  if (w->again-- > 0) {
    pml_loop_defer(w->l, t);
  } else if (w->again == -1 && !pml_loop_is_virtual(w->l)) {
    pml_loop_stop(w->l);
  }
}

static void work_init(work *w, pml_loop *l, int again) {
  memset(w, 0, sizeof *w);
  pml_task_init(&w->task, work_run);
  w->l = l;
  w->again = again;
}

TEST(loop_runs_a_task_once_however_often_asked) {
  pml_loop *l = pml_loop_new_virtual();
  work w;
  work_init(&w, l, 0);
  pml_loop_defer(l, &w.task);
  pml_loop_defer(l, &w.task);
  pml_loop_settle(l);
  CHECK_EQ(w.ran, 1);
  pml_loop_settle(l);
  CHECK_EQ(w.ran, 1);
  pml_loop_free(l);
}

TEST(loop_runs_what_a_task_asks_for_in_the_same_turn_but_itself_in_the_next) {
  pml_loop *l = pml_loop_new_virtual();
  work a, b;
  work_init(&a, l, 1);
  work_init(&b, l, 0);
  a.other = &b.task;
  b.other = &a.task; /* has run already: next turn */
  pml_loop_defer(l, &a.task);
  pml_loop_settle(l);
  CHECK(a.ran >= 2 && b.ran >= 2);
  CHECK_EQ(b.turn[0], a.turn[0]);
  CHECK_EQ(a.turn[1], a.turn[0] + 1);
  pml_task_cancel(&a.task);
  pml_task_cancel(&b.task);
  pml_loop_free(l);
}

TEST(loop_settle_ends_even_when_a_task_always_asks_again) {
  pml_loop *l = pml_loop_new_virtual();
  work w;
  work_init(&w, l, 1 << 30);
  pml_loop_defer(l, &w.task);
  pml_loop_settle(l);
  CHECK(w.ran > 100);
  pml_task_cancel(&w.task);
  pml_task_cancel(&w.task);
  pml_loop_free(l);
}

typedef struct {
  pml_task task, *victim;
} canceller;

static void canceller_run(pml_task *t) {
  pml_task_cancel(PML_CONTAINER(t, canceller, task)->victim);
}

TEST(loop_task_cancelled_by_another_does_not_run) {
  pml_loop *l = pml_loop_new_virtual();
  work w;
  work_init(&w, l, 0);
  canceller c = {.victim = &w.task};
  pml_task_init(&c.task, canceller_run);
  pml_loop_defer(l, &c.task);
  pml_loop_defer(l, &w.task);
  pml_loop_settle(l);
  CHECK_EQ(w.ran, 0);
  pml_loop_free(l);
}

TEST(loop_does_not_sleep_while_a_task_asks_again) {
  pml_loop *l = pml_loop_new();
  work w;
  work_init(&w, l, 3);
  pml_loop_defer(l, &w.task);
  pml_loop_run(l); /* nothing else would ever wake it */
  CHECK_EQ(w.ran, 4);
  CHECK_EQ(w.turn[1], w.turn[0] + 1);
  CHECK_EQ(w.turn[3], w.turn[0] + 3);
  pml_loop_free(l);
}

typedef struct {
  uv_async_t async;
  work *w;
} stopper;

static void on_stopper(uv_async_t *h) {
  stopper *s = PML_CONTAINER(h, stopper, async);
  pml_loop_defer(s->w->l, &s->w->task);
  pml_loop_stop(s->w->l);
  uv_close((uv_handle_t *)h, NULL);
}

TEST(loop_stopped_while_polling_still_ends_its_turn) {
  pml_loop *l = pml_loop_new();
  work w;
  work_init(&w, l, 0);
  w.again = -5; /* does not stop by itself */
  stopper s = {.w = &w};
  CHECK_EQ(uv_async_init(pml_loop_uv(l), &s.async, on_stopper), 0);
  uv_async_send(&s.async);
  pml_loop_run(l);
  CHECK_EQ(w.ran, 1);
  pml_loop_free(l); /* runs the close */
}

static void close_cb(uv_handle_t *h) {
  work *w = h->data;
  pml_loop_defer(w->l, &w->task);
}

TEST(loop_free_runs_what_close_callbacks_ask_for) {
  pml_loop *l = pml_loop_new();
  work w;
  work_init(&w, l, 0);
  uv_timer_t t;
  uv_timer_init(pml_loop_uv(l), &t);
  t.data = &w;
  uv_close((uv_handle_t *)&t, close_cb);
  pml_loop_free(l);
  CHECK_EQ(w.ran, 1);
}

TEST(loop_can_run_again_after_a_stop) {
  pml_loop *l = pml_loop_new();
  work w;
  pml_loop_stop(l); /* before running: the run ends at once */
  pml_loop_run(l);
  for (int i = 0; i < 3; i++) {
    work_init(&w, l, 0);
    pml_loop_defer(l, &w.task);
    pml_loop_run(l);
    CHECK_EQ(w.ran, 1);
  }
  pml_loop_free(l);
}

TEST(loop_virtual_time_stands_still_until_moved) {
  pml_loop *l = pml_loop_new_virtual();
  uint64_t t0 = pml_loop_now(l);
  CHECK(pml_loop_uv(l) == NULL);
  CHECK(pml_loop_is_virtual(l));
  pml_loop_settle(l);
  CHECK_EQ(pml_loop_now(l), t0);
  pml_loop_advance(l, 5000);
  CHECK_EQ(pml_loop_now(l), t0 + 5000);
  pml_loop_free(l);
}

/* ---- timers ---- */

typedef struct {
  pml_timer t;
  pml_loop *l;
  int id, fired;
  uint64_t at, again; /* when it fired; how often to restart with 10 ms */
  int *order, *n;
} alarm_clock;

static void on_fire(pml_timer *t) {
  alarm_clock *a = PML_CONTAINER(t, alarm_clock, t);
  CHECK(!pml_timer_running(t));
  a->fired++;
  a->at = pml_loop_now(a->l);
  if (a->order) a->order[(*a->n)++] = a->id;
  if (a->again && a->again--) pml_timer_start(a->l, t, 10);
}

static void clock_init(alarm_clock *a, pml_loop *l, int id) {
  memset(a, 0, sizeof *a);
  pml_timer_init(&a->t, on_fire);
  a->l = l;
  a->id = id;
}

typedef struct {
  pml_task task;
  alarm_clock *a;
  int seen[2], n;
} witness;

static void witness_run(pml_task *t) {
  witness *w = PML_CONTAINER(t, witness, task);
  w->seen[w->n++] = w->a[0].fired + 10 * w->a[1].fired;
}

typedef struct {
  pml_timer t;
  pml_loop *l;
  witness *w;
} summoner;

static void summon(pml_timer *t) {
  summoner *s = PML_CONTAINER(t, summoner, t);
  pml_loop_defer(s->l, &s->w->task);
}

TEST(timer_of_a_later_time_fires_after_end_of_turn_work) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock a[2];
  witness w = {.a = a};
  pml_task_init(&w.task, witness_run);
  summoner s = {.l = l, .w = &w};
  pml_timer_init(&s.t, summon);
  pml_timer_start(l, &s.t, 10);
  for (int i = 0; i < 2; i++) {
    clock_init(&a[i], l, i);
    pml_timer_start(l, &a[i].t, 10 + (uint64_t)i);
  }
  pml_loop_advance(l, 100);
  CHECK_EQ(w.n, 1);
  CHECK_EQ(w.seen[0], 1); /* after those of 10 ms, before those of 11 */
  pml_loop_free(l);
}

static void on_last(pml_timer *t) {
  on_fire(t);
  pml_loop_stop(PML_CONTAINER(t, alarm_clock, t)->l);
}

TEST(timer_of_a_real_loop_fires_in_order_and_not_early) {
  pml_loop *l = pml_loop_new();
  alarm_clock a[6];
  int order[8], n = 0;
  static const uint64_t ms[] = {20, 5, 12, 5, 0, 30};
  for (int i = 0; i < 6; i++) {
    clock_init(&a[i], l, i);
    a[i].order = order;
    a[i].n = &n;
    pml_timer_start(l, &a[i].t, ms[i]);
  }
  a[5].t.fire = on_last;
  pml_timer_stop(l, &a[2].t);
  pml_loop_run(l);
  static const int want[] = {4, 1, 3, 0, 5};
  CHECK_EQ(n, 5);
  for (int i = 0; i < n; i++) CHECK_EQ(order[i], want[i]);
  for (int i = 0; i < 6; i++) CHECK(a[i].fired == 0 || a[i].at >= a[i].t.due);
  pml_loop_free(l);
}

static void nothing(pml_timer *t) { (void)t; }

TEST(loop_tells_when_the_next_timer_is_due) {
  pml_loop *l = pml_loop_new_virtual();
  uint64_t ms = 7;
  CHECK_EQ(pml_loop_idle(l, &ms), 0);
  CHECK_EQ(ms, 7);
  pml_timer late, soon;
  pml_timer_init(&late, nothing);
  pml_timer_init(&soon, nothing);
  pml_timer_start(l, &late, 90000);
  pml_timer_start(l, &soon, 500);
  CHECK_EQ(pml_loop_idle(l, &ms), 1);
  CHECK_EQ(ms, 500);
  pml_loop_advance(l, 600);
  CHECK_EQ(pml_loop_idle(l, &ms), 1);
  CHECK_EQ(ms, 89400);
  pml_timer_stop(l, &late);
  CHECK_EQ(pml_loop_idle(l, &ms), 0);
  pml_loop_free(l);
}
