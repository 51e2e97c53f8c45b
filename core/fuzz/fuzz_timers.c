/* Timers that are added, removed and fired by the bytes of the input, against a plain array as the
 * truth: each fires once, at its time, and those that are due together in the order of their times
 * and of being added. */
#include "base/container.h"
#include "fuzz/chunks.h"
#include "loop/timers.h"

#define TIMERS 32

typedef struct {
  pml_timer t;
  uint64_t due, order; /* as it must be; due 0: it does not run */
} alarm_clock;

typedef struct {
  pml__timers set;
  uint64_t now, order;
  alarm_clock a[TIMERS];
  const uint8_t *d; /* what callbacks take their acts from */
  size_t n;
} world;

static world w;

static alarm_clock *first_due(void) {
  alarm_clock *first = NULL;
  for (int i = 0; i < TIMERS; i++) {
    alarm_clock *a = &w.a[i];
    if (!a->due) continue;
    if (!first || a->due < first->due || (a->due == first->due && a->order < first->order))
      first = a;
  }
  return first;
}

static void act(uint8_t what, uint8_t which) {
  static const uint64_t ms[] = {0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, UINT64_MAX};
  alarm_clock *a = &w.a[which % TIMERS];
  if (what & 1) {
    uint64_t length = ms[(what >> 1) % (sizeof ms / sizeof *ms)];
    pml__timers_add(&w.set, &a->t, w.now, length);
    a->due = length == UINT64_MAX ? UINT64_MAX - 1 : w.now + (length ? length : 1);
    a->order = w.order++;
  } else {
    pml__timers_remove(&w.set, &a->t);
    a->due = 0;
  }
}

static void on_fire(pml_timer *t) {
  alarm_clock *a = PML_CONTAINER(t, alarm_clock, t);
  MUST(a == first_due() && a->due <= w.now && !pml_timer_running(t));
  a->due = 0;
  if (w.n < 2 || w.d[0] < 0x80) return;
  act(w.d[0], w.d[1]);
  w.d += 2;
  w.n -= 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  memset(&w, 0, sizeof w);
  w.now = 1;
  w.d = d;
  w.n = n;
  for (int i = 0; i < TIMERS; i++) pml_timer_init(&w.a[i].t, on_fire);
  while (w.n >= 2) {
    uint8_t what = w.d[0], which = w.d[1];
    w.d += 2;
    w.n -= 2;
    if (what % 8 == 6) {
      w.now += which;
      pml__timers_fire(&w.set, w.now);
    } else {
      act(what, which);
    }
    alarm_clock *first = first_due();
    MUST(pml__timers_next(&w.set) == (first ? &first->t : NULL));
    for (int i = 0; i < TIMERS; i++) MUST(pml_timer_running(&w.a[i].t) == (w.a[i].due != 0));
  }
  pml__timers_fini(&w.set);
  return 0;
}
