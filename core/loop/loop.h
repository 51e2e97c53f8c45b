/* loop: one server's event loop: libuv, timers, end-of-turn work, and the turn count.
 *
 * A virtual loop has no libuv inside: its time stands still until
 * pml_loop_advance moves it. The test kit runs servers on it.
 * All calls on the loop's own thread, except where said. */
#ifndef PML_LOOP_LOOP_H
#define PML_LOOP_LOOP_H

#include "base/list.h"
#include "loop/helpers.h"
#include "loop/timers.h"

#include <stdint.h>
#include <uv.h>

typedef struct pml_loop pml_loop;

pml_loop *pml_loop_new(void);         /* returns owned, NULL when the system refuses */
pml_loop *pml_loop_new_virtual(void); /* returns owned */
/* Takes l (NULL is allowed). Closes what the loop itself opened, runs until
 * every other handle is closed, frees. Before it, every pml_timer and pml_task
 * is stopped or done, and every other handle is closed or closing. */
void pml_loop_free(pml_loop *l);

uv_loop_t *pml_loop_uv(pml_loop *l); /* borrowed; NULL when virtual */
int pml_loop_is_virtual(const pml_loop *l);
/* For whoever starts threads that work for this loop and are not joined: borrowed. pml_loop_free
 * waits 200 ms at most for those that are still there. */
pml_helpers *pml_loop_helpers(pml_loop *l);
/* Milliseconds, monotonic, as of this turn. */
uint64_t pml_loop_now(const pml_loop *l);
/* Counts the times this loop has polled for events. */
uint64_t pml_loop_turn(const pml_loop *l);

void pml_loop_run(pml_loop *l);  /* real loops: until pml_loop_stop */
void pml_loop_stop(pml_loop *l); /* at the end of this turn */
/* Virtual loops: moves time on, firing timers and end-of-turn work in order.
 * Not from inside a callback. */
void pml_loop_advance(pml_loop *l, uint64_t ms);
/* Virtual loops: whether a timer runs, and in how many milliseconds the next one is due. */
int pml_loop_idle(const pml_loop *l, uint64_t *ms);
/* Virtual loops: end-of-turn work until none is left (or 1,000 turns have gone). */
void pml_loop_settle(pml_loop *l);

/* 0 ms counts as 1: a timer never fires again in the turn that started it. Starting one that runs
 * moves it. Its callback may start and stop any timer, and may free the owner of this one; it
 * starts it again for a repeating one. One libuv timer serves them all. */
void pml_timer_start(pml_loop *l, pml_timer *t, uint64_t ms);
void pml_timer_stop(pml_loop *l, pml_timer *t); /* harmless when stopped */

/* End-of-turn work: a deferred task runs once, before the loop polls again. So does a task that
 * another one defers, unless it has run in this turn already. A task is embedded in its owner;
 * deferring it twice is the same as once. run() may defer its own task (it runs in the next turn,
 * and the loop does not sleep before) and may free the owner. */
typedef struct pml_task {
  pml_list node;                   /* private */
  void (*run)(struct pml_task *t); /* public */
  uint64_t pass;                   /* private: the last end of turn that ran it */
  uint8_t queued;                  /* private */
} pml_task;

void pml_task_init(pml_task *t, void (*run)(pml_task *t));
void pml_loop_defer(pml_loop *l, pml_task *t);
void pml_task_cancel(pml_task *t);

#endif
