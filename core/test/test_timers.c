#include "loop/timers.h"

#include "base/container.h"
#include "test/test.h"

#define MANY 300

/* A set and its clock. */
typedef struct {
  pml__timers set;
  uint64_t now;
} world;

static void start(world *w, pml_timer *t, uint64_t ms) { pml__timers_add(&w->set, t, w->now, ms); }
static void stop(world *w, pml_timer *t) { pml__timers_remove(&w->set, t); }
static void advance(world *w, uint64_t ms) {
  uint64_t end = w->now + ms;
  for (pml_timer *t; (t = pml__timers_next(&w->set)) && t->due <= end;) {
    w->now = t->due;
    pml__timers_fire(&w->set, w->now);
  }
  w->now = end;
}

typedef struct {
  pml_timer t;
  world *w;
  int id, fired;
  uint64_t at, again; /* when it fired; how often to restart with 10 ms */
  int *order, *n;
} alarm_clock;

static void on_fire(pml_timer *t) {
  alarm_clock *a = PML_CONTAINER(t, alarm_clock, t);
  CHECK(!pml_timer_running(t));
  a->fired++;
  a->at = a->w->now;
  if (a->order) a->order[(*a->n)++] = a->id;
  if (a->again && a->again--) start(a->w, t, 10);
}

static void clock_init(alarm_clock *a, world *w, int id) {
  memset(a, 0, sizeof *a);
  pml_timer_init(&a->t, on_fire);
  a->w = w;
  a->id = id;
}

TEST(timers_fires_in_order_of_due_time_then_of_starting) {
  world w = {.now = 1};
  static const uint64_t ms[] = {30, 10, 20, 10, 1};
  static const int want[] = {4, 1, 3, 2, 0};
  alarm_clock a[5];
  int order[5], n = 0;
  for (int i = 0; i < 5; i++) {
    clock_init(&a[i], &w, i);
    a[i].order = order;
    a[i].n = &n;
    start(&w, &a[i].t, ms[i]);
  }
  uint64_t t0 = w.now;
  advance(&w, 9);
  CHECK_EQ(n, 1);
  advance(&w, 21);
  CHECK_EQ(n, 5);
  for (int i = 0; i < 5; i++) CHECK_EQ(order[i], want[i]);
  CHECK_EQ(a[2].at, t0 + 20); /* its own time, not the end of the step */
  pml__timers_fini(&w.set);
}

TEST(timers_restarted_in_its_callback_repeats) {
  world w = {.now = 1};
  alarm_clock a;
  clock_init(&a, &w, 0);
  a.again = 4;
  start(&w, &a.t, 10);
  advance(&w, 35);
  CHECK_EQ(a.fired, 3);
  advance(&w, 1000);
  CHECK_EQ(a.fired, 5);
  pml__timers_fini(&w.set);
}

TEST(timers_started_again_moves_and_stopped_never_fires) {
  world w = {.now = 1};
  alarm_clock a, b;
  clock_init(&a, &w, 0);
  clock_init(&b, &w, 1);
  start(&w, &a.t, 10);
  start(&w, &b.t, 10);
  start(&w, &a.t, 50);
  stop(&w, &b.t);
  stop(&w, &b.t);
  advance(&w, 49);
  CHECK_EQ(a.fired + b.fired, 0);
  advance(&w, 1);
  CHECK_EQ(a.fired, 1);
  CHECK_EQ(b.fired, 0);
  pml__timers_fini(&w.set);
}

TEST(timers_of_any_length_can_be_started) {
  world w = {.now = 1};
  alarm_clock a, b;
  clock_init(&a, &w, 0);
  clock_init(&b, &w, 1);
  start(&w, &a.t, 0);
  start(&w, &b.t, UINT64_MAX);
  advance(&w, 1u << 31);
  CHECK_EQ(a.fired, 1);
  CHECK_EQ(b.fired, 0);
  stop(&w, &b.t);
  pml__timers_fini(&w.set);
}

typedef struct {
  pml_timer t;
  world *w;
  pml_timer *victim, *late;
} meddler;

static void meddle(pml_timer *t) {
  meddler *m = PML_CONTAINER(t, meddler, t);
  stop(m->w, m->victim);
  start(m->w, m->late, 100);
}

TEST(timers_callback_may_stop_and_start_others) {
  world w = {.now = 1};
  alarm_clock victim, late;
  clock_init(&victim, &w, 0);
  clock_init(&late, &w, 1);
  meddler m = {.w = &w, .victim = &victim.t, .late = &late.t};
  pml_timer_init(&m.t, meddle);
  start(&w, &m.t, 5);
  start(&w, &victim.t, 5);
  start(&w, &late.t, 5);
  advance(&w, 104);
  CHECK_EQ(victim.fired + late.fired, 0);
  advance(&w, 1);
  CHECK_EQ(late.fired, 1);
  pml__timers_fini(&w.set);
}

/* Lanes and heap against a plain array as the truth. */
static void against_array(unsigned lengths, uint32_t seed) {
  world w = {.now = 1};
  static alarm_clock a[MANY];
  static uint64_t due[MANY];
  uint32_t r = seed;
  for (int i = 0; i < MANY; i++) clock_init(&a[i], &w, i);
  memset(due, 0, sizeof due);
  for (int step = 0; step < 20000; step++) {
    r = r * 1664525u + 1013904223u;
    int i = (int)((r >> 8) % MANY);
    if (r >> 30 == 0) {
      stop(&w, &a[i].t);
      due[i] = 0;
    } else if (r >> 28 == 15) {
      advance(&w, r >> 4 & 15);
      for (int k = 0; k < MANY; k++) {
        if (!due[k] || due[k] > w.now) {
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
      start(&w, &a[i].t, ms);
      due[i] = w.now + ms;
    }
  }
  for (int i = 0; i < MANY; i++) stop(&w, &a[i].t);
  pml__timers_fini(&w.set);
}

TEST(timers_agree_with_a_plain_array) {
  against_array(64, 12345); /* more lengths than lanes */
  against_array(9, 12346);
  against_array(8, 12347);
  against_array(2, 12348);
  against_array(1, 12349);
}

/* One that runs long while a million others come and go. */
TEST(timers_that_runs_on_keeps_no_room_for_those_that_stopped) {
  world w = {.now = 1};
  alarm_clock first, many[40];
  clock_init(&first, &w, 0);
  for (int i = 0; i < 40; i++) clock_init(&many[i], &w, i + 1);
  start(&w, &first.t, 1000);
  for (int i = 0; i < 1000000; i++) {
    start(&w, &many[i % 40].t, 1000);
    if (i >= 20) stop(&w, &many[(i - 20) % 40].t);
  }
  CHECK(w.set.lanes[first.t.held - 2].cap <= 128);
  for (int i = 0; i < 40; i++) stop(&w, &many[i].t);
  advance(&w, 1000);
  CHECK_EQ(first.fired, 1);
  pml__timers_fini(&w.set);
}
