#include "loop/timer.h"

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

static void heap_remove(pml__timers *h, pml_timer *t) {
  uint32_t at = t->at;
  pml_timer *last = h->v[h->len--];
  t->at = 0;
  if (last != t) sift(h, last, at);
}

static void heap_add(pml__timers *h, pml_timer *t) {
  if (h->len + 1 >= h->cap) {
    h->cap = h->cap ? h->cap * 2 : 16;
    h->v = pml_realloc(h->v, h->cap * sizeof(pml_timer *));
  }
  sift(h, t, ++h->len);
}

/* uv_timer is moved to an earlier time at once, to a later one only when it
 * fires: most timers here are deadlines that are stopped long before. */
static void arm(pml_loop *l) {
  pml__timers *h = &l->timers;
  if (l->is_virtual || h->firing || !h->len || h->v[1]->due >= h->armed) return;
  uint64_t now = uv_now(&l->uv);
  h->armed = h->v[1]->due;
  /* Never 0: libuv would fire it again in the same round of timers. */
  uv_timer_start(&l->timer, pml__timers_on_uv, h->armed > now ? h->armed - now : 1, 0);
}

void pml_timer_init(pml_timer *t, void (*fire)(pml_timer *t)) {
  t->fire = fire;
  t->due = t->seq = 0;
  t->at = 0;
}

void pml_timer_start(pml_loop *l, pml_timer *t, uint64_t ms) {
  pml__timers *h = &l->timers;
  /* Outside of run the clock is as old as the last turn, perhaps seconds. */
  if (!l->is_virtual && !l->running) uv_update_time(&l->uv);
  uint64_t now = pml_loop_now(l);
  if (ms == 0) ms = 1;
  t->due = ms < UINT64_MAX - now ? now + ms : UINT64_MAX - 1;
  t->seq = h->seq++;
  if (t->at) {
    sift(h, t, t->at);
  } else {
    heap_add(h, t);
  }
  arm(l);
}

void pml_timer_stop(pml_loop *l, pml_timer *t) {
  if (t->at) heap_remove(&l->timers, t);
}

void pml__timers_init(pml_loop *l) { l->timers.armed = UINT64_MAX; }

void pml__timers_fini(pml_loop *l) {
  pml_free(l->timers.v);
  l->timers.v = NULL;
}

void pml__timers_fire(pml_loop *l, uint64_t now) {
  pml__timers *h = &l->timers;
  assert(!h->firing); /* ours: a callback does not turn the loop */
  h->firing = 1;
  while (h->len && h->v[1]->due <= now) { /* starting anew is always after now */
    pml_timer *t = h->v[1];
    heap_remove(h, t);
    t->fire(t);
  }
  h->firing = 0;
}

void pml__timers_on_uv(uv_timer_t *t) {
  pml_loop *l = t->data;
  l->timers.armed = UINT64_MAX;
  pml__timers_fire(l, uv_now(&l->uv));
  arm(l);
}
