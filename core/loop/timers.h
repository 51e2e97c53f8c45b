/* timer: one-shot timers of the loop's, one libuv timer for them all. Most have one of a
 * few lengths, deadlines of requests and heartbeats: those stand in lanes (loop/lane), where
 * starting and stopping costs the same however many run; the others in a heap.
 * A timer is embedded in its owner; starting one that runs moves it; nothing
 * must be closed. Restart it in its callback for a repeating one. */
#ifndef PML_LOOP_TIMER_H
#define PML_LOOP_TIMER_H

#include "loop/loop.h"

typedef struct pml_timer {
  void (*fire)(struct pml_timer *t); /* public */
  uint64_t due;                      /* read-only: milliseconds of pml_loop_now */
  uint64_t seq;                      /* private: equal dues fire in the order of starting */
  uint32_t at;                       /* private: place in what holds it */
  uint8_t held;                      /* private: 0 stopped, 1 the heap, else a lane */
} pml_timer;

void pml_timer_init(pml_timer *t, void (*fire)(pml_timer *t));
/* 0 ms counts as 1: a timer never fires again in the turn that started it. Its
 * callback may start and stop any timer, and may free the owner of this one. */
void pml_timer_start(pml_loop *l, pml_timer *t, uint64_t ms);
void pml_timer_stop(pml_loop *l, pml_timer *t); /* harmless when stopped */
static inline int pml_timer_running(const pml_timer *t) { return t->held != 0; }

#endif
