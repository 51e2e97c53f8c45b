/* loop_private: what loop.c and timer.c know of a loop, and nobody else. */
#ifndef PML_LOOP_LOOP_PRIVATE_H
#define PML_LOOP_LOOP_PRIVATE_H

#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/timers.h"

#define PML__LANES 8u

/* Timers by (due, seq): lanes for as many lengths as there are lanes, and a binary heap, whose
 * places count from 1. */
typedef struct {
  pml__lane lanes[PML__LANES];
  pml_timer **v; /* owned; v[0] is not used */
  uint32_t len, cap;
  uint64_t seq;
  uint64_t armed; /* when uv_timer fires; UINT64_MAX: not at all */
  int firing;
} pml__timers;

struct pml_loop {
  uv_loop_t uv; /* not initialised when virtual */
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle; /* active only while end-of-turn work is left over */
  uv_timer_t timer;
  int is_virtual, running, stopped;
  uint64_t now; /* virtual only */
  uint64_t turn;
  pml_list due;   /* end-of-turn work of this turn */
  pml_list later; /* what asked again during this end of turn */
  uint64_t pass;  /* counts ends of turn */
  int in_pass;
  pml__timers timers;
};

void pml__timers_init(pml_loop *l);
void pml__timers_fini(pml_loop *l);
pml_timer *pml__timers_next(const pml__timers *h); /* that is due next; NULL: none runs */
/* Fires all that is due at now; what is started meanwhile waits. */
void pml__timers_fire(pml_loop *l, uint64_t now);
void pml__timers_on_uv(uv_timer_t *t);

#endif
