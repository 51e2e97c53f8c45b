/* lane: running timers of one length. The order of starting is the order of their times, so that
 * starting and stopping one costs the same however many there are. loop/timers
 * keeps most of its timers in lanes. */
#ifndef PML_LOOP_LANE_H
#define PML_LOOP_LANE_H

#include <stddef.h>
#include <stdint.h>

struct pml_timer;

/* Zeroed is a valid empty lane. */
typedef struct {
  uint64_t ms;          /* the length of all timers in it; the caller adds no other */
  struct pml_timer **v; /* private, owned: a ring; NULL where one was stopped */
  uint32_t cap;         /* private: a power of two */
  uint32_t head, tail;  /* private: places, never counted back; the timer at head runs */
  uint32_t count;       /* read-only: running */
} pml__lane;

void pml__lane_add(pml__lane *a, struct pml_timer *t); /* sets t->at, its place */
void pml__lane_remove(pml__lane *a, struct pml_timer *t);
void pml__lane_fini(pml__lane *a);

static inline struct pml_timer *pml__lane_first(const pml__lane *a) {
  return a->count ? a->v[a->head & (a->cap - 1)] : NULL;
}

#endif
