/* timers: a set of one-shot timers in the order in which they are due. Pure: the time is an
 * argument, and the set knows no loop (loop/loop keeps one and moves its clock).
 *
 * Most timers have one of a few lengths, deadlines of requests and heartbeats: those stand in lanes
 * (loop/lane), where adding and removing costs the same however many there are; the others stand in
 * a binary heap. A timer is embedded in its owner; nothing must be closed. */
#ifndef PML_LOOP_TIMERS_H
#define PML_LOOP_TIMERS_H

#include "loop/lane.h"

#include <stdint.h>

typedef struct pml_timer {
  void (*fire)(struct pml_timer *t); /* public */
  uint64_t due;                      /* read-only: milliseconds */
  uint32_t seq;                      /* private: equal dues fire in the order of starting */
  unsigned at : 28;                  /* private: place in what holds it */
  unsigned held : 4;                 /* private: 0 stopped, 1 the heap, else a lane */
} pml_timer;

static inline void pml_timer_init(pml_timer *t, void (*fire)(pml_timer *t)) {
  *t = (pml_timer){.fire = fire};
}
static inline int pml_timer_running(const pml_timer *t) { return t->held != 0; }

#define PML__LANES 8u
#define PML__TIMERS_MAX 0x0fffffffu /* running ones of a set; each has an owner in memory */

/* Zeroed is a valid empty set. */
typedef struct {
  pml__lane lanes[PML__LANES]; /* private */
  pml_timer **heap;            /* private, owned: places count from 1 */
  uint32_t len, cap;           /* private: of the heap */
  uint32_t seq;                /* private: goes round */
  int firing;                  /* read-only: inside of pml__timers_fire */
} pml__timers;

/* t fires `ms` after now; 0 counts as 1, so that it is never due at now. One that runs is moved.
 * now is that of the call before, or later. */
void pml__timers_add(pml__timers *s, pml_timer *t, uint64_t now, uint64_t ms);
void pml__timers_remove(pml__timers *s, pml_timer *t); /* harmless when it does not run */
/* The one that is due next, the earlier started of equal ones; NULL: none runs. */
pml_timer *pml__timers_next(const pml__timers *s);
/* Removes and fires, in their order, all that are due at now or before. Callbacks may add and
 * remove any timer, and free the owner of the one that fires. */
void pml__timers_fire(pml__timers *s, uint64_t now);
/* Frees what the set itself holds; the timers in it are their owners'. */
void pml__timers_fini(pml__timers *s);

#endif
