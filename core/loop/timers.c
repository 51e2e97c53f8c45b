#include "loop/timers.h"

#include "base/mem.h"
#include "loop/loop_private.h"

#include <assert.h>

static int before(const pml_timer *a, const pml_timer *b) {
  return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void put_at(pml__timers *h, pml_timer *t, uint32_t at) {
  h->v[at] = t;
  t->at = at;
}

/* Moves t, whose place is free to be overwritten, to where it belongs. */
static void sift(pml__timers *h, pml_timer *t, uint32_t at) {
  while (at > 1 && before(t, h->v[at / 2])) {
    put_at(h, h->v[at / 2], at);
    at /= 2;
  }
  for (;;) {
    uint32_t kid = at * 2;
    if (kid > h->len) break;
    if (kid < h->len && before(h->v[kid + 1], h->v[kid])) kid++;
    if (!before(h->v[kid], t)) break;
    put_at(h, h->v[kid], at);
    at = kid;
  }
  put_at(h, t, at);
}

enum { STOPPED, IN_HEAP, IN_LANE }; /* held: IN_LANE + the lane's number */

static void heap_remove(pml__timers *h, pml_timer *t) {
  uint32_t at = t->at;
  pml_timer *last = h->v[h->len--];
  if (last != t) sift(h, last, at);
}

static void heap_add(pml__timers *h, pml_timer *t) {
  if (h->len + 1 >= h->cap) {
    h->cap = h->cap ? h->cap * 2 : 16;
    h->v = pml_realloc(h->v, h->cap * sizeof(pml_timer *));
  }
  sift(h, t, ++h->len);
}

/* The lane for timers of that length: its own, or one that is empty. NULL: all are taken. */
static pml__lane *lane_for(pml__timers *h, uint64_t ms) {
  pml__lane *empty = NULL;
  for (unsigned i = 0; i < PML__LANES; i++) {
    pml__lane *a = &h->lanes[i];
    if (a->count == 0) empty = a;
    else if (a->ms == ms) return a;
  }
  if (empty) empty->ms = ms;
  return empty;
}

static void add(pml__timers *h, pml_timer *t, uint64_t ms) {
  pml__lane *a = lane_for(h, ms);
  if (a) {
    pml__lane_add(a, t);
    t->held = (uint8_t)(IN_LANE + (a - h->lanes));
  } else {
    heap_add(h, t);
    t->held = IN_HEAP;
  }
}

static void take_out(pml__timers *h, pml_timer *t) {
  if (t->held == IN_HEAP) heap_remove(h, t);
  else pml__lane_remove(&h->lanes[t->held - IN_LANE], t);
  t->held = STOPPED;
}

pml_timer *pml__timers_next(const pml__timers *h) {
  pml_timer *next = h->len ? h->v[1] : NULL;
  for (unsigned i = 0; i < PML__LANES; i++) {
    pml_timer *t = pml__lane_first(&h->lanes[i]);
    if (t && (!next || before(t, next))) next = t;
  }
  return next;
}

/* uv_timer is moved to an earlier time at once, to a later one only when it
 * fires: most timers here are deadlines that are stopped long before. */
static void arm(pml_loop *l, const pml_timer *t) {
  pml__timers *h = &l->timers;
  if (l->is_virtual || h->firing || !t || t->due >= h->armed) return;
  uint64_t now = uv_now(&l->uv);
  h->armed = t->due;
  /* Never 0: libuv would fire it again in the same round of timers. */
  uv_timer_start(&l->timer, pml__timers_on_uv, h->armed > now ? h->armed - now : 1, 0);
}

void pml_timer_init(pml_timer *t, void (*fire)(pml_timer *t)) { *t = (pml_timer){.fire = fire}; }

void pml_timer_start(pml_loop *l, pml_timer *t, uint64_t ms) {
  pml__timers *h = &l->timers;
  /* Outside of run the clock is as old as the last turn, perhaps seconds. */
  if (!l->is_virtual && !l->running) uv_update_time(&l->uv);
  uint64_t now = pml_loop_now(l);
  if (t->held) take_out(h, t);
  if (ms == 0) ms = 1;
  t->due = ms < UINT64_MAX - now ? now + ms : UINT64_MAX - 1;
  t->seq = h->seq++;
  add(h, t, ms);
  arm(l, t);
}

void pml_timer_stop(pml_loop *l, pml_timer *t) {
  if (t->held) take_out(&l->timers, t);
}

void pml__timers_init(pml_loop *l) { l->timers.armed = UINT64_MAX; }

void pml__timers_fini(pml_loop *l) {
  for (unsigned i = 0; i < PML__LANES; i++) pml__lane_fini(&l->timers.lanes[i]);
  pml_free(l->timers.v);
  l->timers.v = NULL;
}

void pml__timers_fire(pml_loop *l, uint64_t now) {
  pml__timers *h = &l->timers;
  assert(!h->firing); /* ours: a callback does not turn the loop */
  h->firing = 1;
  for (pml_timer *t; (t = pml__timers_next(h)) && t->due <= now;) { /* anew is always after now */
    take_out(h, t);
    t->fire(t);
  }
  h->firing = 0;
}

void pml__timers_on_uv(uv_timer_t *t) {
  pml_loop *l = t->data;
  l->timers.armed = UINT64_MAX;
  pml__timers_fire(l, uv_now(&l->uv));
  arm(l, pml__timers_next(&l->timers));
}
