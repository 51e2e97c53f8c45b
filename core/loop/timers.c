#include "loop/timers.h"

#include "base/mem.h"

#include <assert.h>

static int before(const pml_timer *a, const pml_timer *b) {
  return a->due != b->due ? a->due < b->due : (int32_t)(a->seq - b->seq) < 0;
}

static void put_at(pml__timers *s, pml_timer *t, uint32_t at) {
  s->heap[at] = t;
  t->at = at & PML__TIMERS_MAX;
}

/* Moves t, whose place is free to be overwritten, to where it belongs. */
static void sift(pml__timers *s, pml_timer *t, uint32_t at) {
  while (at > 1 && before(t, s->heap[at / 2])) {
    put_at(s, s->heap[at / 2], at);
    at /= 2;
  }
  for (;;) {
    uint32_t kid = at * 2;
    if (kid > s->len) break;
    if (kid < s->len && before(s->heap[kid + 1], s->heap[kid])) kid++;
    if (!before(s->heap[kid], t)) break;
    put_at(s, s->heap[kid], at);
    at = kid;
  }
  put_at(s, t, at);
}

enum { STOPPED, IN_HEAP, IN_LANE }; /* held: IN_LANE + the lane's number */

static void heap_remove(pml__timers *s, pml_timer *t) {
  uint32_t at = t->at;
  pml_timer *last = s->heap[s->len--];
  if (last != t) sift(s, last, at);
}

static void heap_add(pml__timers *s, pml_timer *t) {
  if (s->len + 1 >= s->cap) {
    assert(s->cap <= PML__TIMERS_MAX / 2); /* ours: memory ends before */
    s->cap = s->cap ? s->cap * 2 : 16;
    s->heap = pml_realloc(s->heap, s->cap * sizeof(pml_timer *));
  }
  sift(s, t, ++s->len);
}

/* The lane for timers of that length: its own, or one that is empty. NULL: all are taken. */
static pml__lane *lane_for(pml__timers *s, uint64_t ms) {
  pml__lane *empty = NULL;
  for (unsigned i = 0; i < PML__LANES; i++) {
    pml__lane *a = &s->lanes[i];
    if (a->count == 0) empty = a;
    else if (a->ms == ms) return a;
  }
  if (empty) empty->ms = ms;
  return empty;
}

static void put_in(pml__timers *s, pml_timer *t, uint64_t ms) {
  pml__lane *a = lane_for(s, ms);
  if (a) {
    pml__lane_add(a, t);
    t->held = (IN_LANE + (unsigned)(a - s->lanes)) & 15u;
  } else {
    heap_add(s, t);
    t->held = IN_HEAP;
  }
}

static void take_out(pml__timers *s, pml_timer *t) {
  if (t->held == IN_HEAP) heap_remove(s, t);
  else pml__lane_remove(&s->lanes[t->held - IN_LANE], t);
  t->held = STOPPED;
}

pml_timer *pml__timers_next(const pml__timers *s) {
  pml_timer *next = s->len ? s->heap[1] : NULL;
  for (unsigned i = 0; i < PML__LANES; i++) {
    pml_timer *t = pml__lane_first(&s->lanes[i]);
    if (t && (!next || before(t, next))) next = t;
  }
  return next;
}

void pml__timers_add(pml__timers *s, pml_timer *t, uint64_t now, uint64_t ms) {
  if (t->held) take_out(s, t);
  if (ms == 0) ms = 1;
  t->due = ms < UINT64_MAX - now ? now + ms : UINT64_MAX - 1;
  t->seq = s->seq++;
  put_in(s, t, ms);
}

void pml__timers_remove(pml__timers *s, pml_timer *t) {
  if (t->held) take_out(s, t);
}

void pml__timers_fire(pml__timers *s, uint64_t now) {
  assert(!s->firing); /* ours: a callback does not turn the loop */
  s->firing = 1;
  for (pml_timer *t; (t = pml__timers_next(s)) && t->due <= now;) { /* a new one is due later */
    take_out(s, t);
    t->fire(t);
  }
  s->firing = 0;
}

void pml__timers_fini(pml__timers *s) {
  for (unsigned i = 0; i < PML__LANES; i++) pml__lane_fini(&s->lanes[i]);
  pml_free(s->heap);
  *s = (pml__timers){0};
}
