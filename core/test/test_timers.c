#include "base/container.h"
#include "loop/loop_private.h"
#include "test/test.h"

#define MANY 300

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

TEST(timer_fires_in_order_of_due_time_then_of_starting) {
  pml_loop *l = pml_loop_new_virtual();
  static const uint64_t ms[] = {30, 10, 20, 10, 1};
  static const int want[] = {4, 1, 3, 2, 0};
  alarm_clock a[5];
  int order[5], n = 0;
  for (int i = 0; i < 5; i++) {
    clock_init(&a[i], l, i);
    a[i].order = order;
    a[i].n = &n;
    pml_timer_start(l, &a[i].t, ms[i]);
  }
  uint64_t t0 = pml_loop_now(l);
  pml_loop_advance(l, 9);
  CHECK_EQ(n, 1);
  pml_loop_advance(l, 21);
  CHECK_EQ(n, 5);
  for (int i = 0; i < 5; i++) CHECK_EQ(order[i], want[i]);
  CHECK_EQ(a[2].at, t0 + 20); /* its own time, not the end of the step */
  pml_loop_free(l);
}

TEST(timer_restarted_in_its_callback_repeats) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock a;
  clock_init(&a, l, 0);
  a.again = 4;
  pml_timer_start(l, &a.t, 10);
  pml_loop_advance(l, 35);
  CHECK_EQ(a.fired, 3);
  pml_loop_advance(l, 1000);
  CHECK_EQ(a.fired, 5);
  pml_loop_free(l);
}

TEST(timer_started_again_moves_and_stopped_never_fires) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock a, b;
  clock_init(&a, l, 0);
  clock_init(&b, l, 1);
  pml_timer_start(l, &a.t, 10);
  pml_timer_start(l, &b.t, 10);
  pml_timer_start(l, &a.t, 50);
  pml_timer_stop(l, &b.t);
  pml_timer_stop(l, &b.t);
  pml_loop_advance(l, 49);
  CHECK_EQ(a.fired + b.fired, 0);
  pml_loop_advance(l, 1);
  CHECK_EQ(a.fired, 1);
  CHECK_EQ(b.fired, 0);
  pml_loop_free(l);
}

TEST(timer_of_any_length_can_be_started) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock a, b;
  clock_init(&a, l, 0);
  clock_init(&b, l, 1);
  pml_timer_start(l, &a.t, 0);
  pml_timer_start(l, &b.t, UINT64_MAX);
  pml_loop_advance(l, 1u << 31);
  CHECK_EQ(a.fired, 1);
  CHECK_EQ(b.fired, 0);
  pml_timer_stop(l, &b.t);
  pml_loop_free(l);
}

typedef struct {
  pml_timer t;
  pml_loop *l;
  pml_timer *victim, *late;
} meddler;

static void meddle(pml_timer *t) {
  meddler *m = PML_CONTAINER(t, meddler, t);
  pml_timer_stop(m->l, m->victim);
  pml_timer_start(m->l, m->late, 100);
}

TEST(timer_callback_may_stop_and_start_others) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock victim, late;
  clock_init(&victim, l, 0);
  clock_init(&late, l, 1);
  meddler m = {.l = l, .victim = &victim.t, .late = &late.t};
  pml_timer_init(&m.t, meddle);
  pml_timer_start(l, &m.t, 5);
  pml_timer_start(l, &victim.t, 5);
  pml_timer_start(l, &late.t, 5);
  pml_loop_advance(l, 104);
  CHECK_EQ(victim.fired + late.fired, 0);
  pml_loop_advance(l, 1);
  CHECK_EQ(late.fired, 1);
  pml_loop_free(l);
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

/* Lanes and heap against a plain array as the truth. */
static void against_array(unsigned lengths, uint32_t seed) {
  pml_loop *l = pml_loop_new_virtual();
  static alarm_clock a[MANY];
  static uint64_t due[MANY];
  uint32_t r = seed;
  for (int i = 0; i < MANY; i++) clock_init(&a[i], l, i);
  memset(due, 0, sizeof due);
  for (int step = 0; step < 20000; step++) {
    r = r * 1664525u + 1013904223u;
    int i = (int)((r >> 8) % MANY);
    if (r >> 30 == 0) {
      pml_timer_stop(l, &a[i].t);
      due[i] = 0;
    } else if (r >> 28 == 15) {
      pml_loop_advance(l, r >> 4 & 15);
      for (int k = 0; k < MANY; k++) {
        if (!due[k] || due[k] > pml_loop_now(l)) {
          CHECK_EQ(a[k].fired, 0);
        } else {
          CHECK_EQ(a[k].fired, 1);
          CHECK_EQ(a[k].at, due[k]);
          due[k] = 0;
        }
        a[k].fired = 0;
      }
    } else {
      uint64_t ms = 1 + (r >> 16) % lengths * (64 / lengths);
      pml_timer_start(l, &a[i].t, ms);
      due[i] = pml_loop_now(l) + ms;
    }
  }
  for (int i = 0; i < MANY; i++) pml_timer_stop(l, &a[i].t);
  pml_loop_free(l);
}

TEST(timers_agree_with_a_plain_array) {
  against_array(64, 12345); /* more lengths than lanes */
  against_array(9, 12346);
  against_array(8, 12347);
  against_array(2, 12348);
  against_array(1, 12349);
}

/* One that runs long while a million others come and go. */
TEST(timer_that_runs_on_keeps_no_room_for_those_that_stopped) {
  pml_loop *l = pml_loop_new_virtual();
  alarm_clock first, many[40];
  clock_init(&first, l, 0);
  for (int i = 0; i < 40; i++) clock_init(&many[i], l, i + 1);
  pml_timer_start(l, &first.t, 1000);
  for (int i = 0; i < 1000000; i++) {
    pml_timer_start(l, &many[i % 40].t, 1000);
    if (i >= 20) pml_timer_stop(l, &many[(i - 20) % 40].t);
  }
  CHECK(l->timers.lanes[first.t.held - 2].cap <= 128);
  for (int i = 0; i < 40; i++) pml_timer_stop(l, &many[i].t);
  pml_loop_advance(l, 1000);
  CHECK_EQ(first.fired, 1);
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
