#include "loop/lane.h"

#include "base/mem.h"
#include "loop/timers.h"

#include <assert.h>

#define CAP_FIRST 16u

static pml_timer **at(const pml__lane *a, uint32_t place) { return &a->v[place & (a->cap - 1)]; }

/* Copies the timers to `to`, without the holes. `to` may be the lane's own ring. */
static void close_up(pml__lane *a, pml_timer **to, uint32_t cap) {
  uint32_t n = a->head;
  for (uint32_t i = a->head; i != a->tail; i++) {
    pml_timer *t = *at(a, i);
    if (!t) continue;
    t->at = n & PML__TIMERS_MAX;
    to[n++ & (cap - 1)] = t;
  }
  a->tail = n;
}

/* Stopped timers leave holes: a ring of which half is holes is closed up, any other grows. */
static void make_room(pml__lane *a) {
  if (a->cap && a->count <= a->cap / 2) {
    close_up(a, a->v, a->cap);
    return;
  }
  assert(a->cap <= PML__TIMERS_MAX / 2); /* ours: memory ends before */
  uint32_t cap = a->cap ? a->cap * 2 : CAP_FIRST;
  pml_timer **v = pml_alloc(cap * sizeof *v);
  close_up(a, v, cap);
  pml_free(a->v);
  a->v = v;
  a->cap = cap;
}

void pml__lane_add(pml__lane *a, pml_timer *t) {
  if (a->tail - a->head == a->cap) make_room(a);
  t->at = a->tail & PML__TIMERS_MAX; /* at() looks at its lower bits only */
  *at(a, a->tail++) = t;
  a->count++;
}

void pml__lane_remove(pml__lane *a, pml_timer *t) {
  *at(a, t->at) = NULL;
  a->count--;
  while (a->tail != a->head && !*at(a, a->tail - 1)) a->tail--;
  while (a->tail != a->head && !*at(a, a->head)) a->head++;
}

void pml__lane_fini(pml__lane *a) {
  pml_free(a->v);
  *a = (pml__lane){0};
}
