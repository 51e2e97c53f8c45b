#include "loop/loop.h"

#include "base/container.h"
#include "base/mem.h"

#include <assert.h>

/* A settle ends after so many passes even when some task always asks again. */
#define PASSES_MAX 1000

#define HELPERS_MS 200

struct pml_loop {
  uv_loop_t uv; /* not initialised when virtual */
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;   /* active only while end-of-turn work is left over */
  uv_timer_t timer; /* fires the timers */
  uint64_t armed;   /* when it does; UINT64_MAX: not at all */
  pml__timers timers;
  int is_virtual, running, stopped;
  uint64_t now; /* virtual only */
  uint64_t turn;
  pml_list due;   /* end-of-turn work of this turn */
  pml_list later; /* what asked again during this end of turn */
  uint64_t pass;  /* counts ends of turn */
  int in_pass;
  pml_helpers *helpers; /* NULL: no threads so far */
};

/* ---- end-of-turn work ---- */

void pml_task_init(pml_task *t, void (*run)(pml_task *t)) {
  pml_list_init(&t->node);
  t->run = run;
  t->pass = 0;
  t->queued = 0;
}

void pml_loop_defer(pml_loop *l, pml_task *t) {
  if (t->queued) return;
  t->queued = 1;
  /* What ran in this pass already waits for the next turn, or two tasks that
   * ask for each other would keep the loop from polling for ever. */
  int again = l->in_pass && t->pass == l->pass;
  pml_list_append(again ? &l->later : &l->due, &t->node);
}

void pml_task_cancel(pml_task *t) {
  if (!t->queued) return;
  t->queued = 0;
  pml_list_remove(&t->node);
}

/* One end of turn. A task may free itself in run(), so it is unlinked before. */
static void tasks_run(pml_loop *l) {
  if (pml_list_empty(&l->due)) return;
  assert(!l->in_pass); /* ours: nobody turns the loop from inside a task */
  l->in_pass = 1;
  l->pass++;
  for (pml_list *n; (n = pml_list_pop(&l->due));) {
    pml_task *t = PML_CONTAINER(n, pml_task, node);
    t->queued = 0;
    t->pass = l->pass;
    t->run(t);
  }
  l->in_pass = 0;
  pml_list_move(&l->due, &l->later);
}

static void on_idle(uv_idle_t *h) { (void)h; }

/* Runs before polling, and after timers. */
static void on_prepare(uv_prepare_t *h) {
  pml_loop *l = h->data;
  tasks_run(l);
  if (pml_list_empty(&l->due)) {
    uv_idle_stop(&l->idle);
  } else {
    uv_idle_start(&l->idle, on_idle);
  }
}

/* libuv has just brought its clock up to date; only the turn is ours to count. */
static void on_check(uv_check_t *h) { ((pml_loop *)h->data)->turn++; }

/* ---- timers ---- */

static void arm(pml_loop *l, const pml_timer *t);

static void on_uv_timer(uv_timer_t *h) {
  pml_loop *l = h->data;
  l->armed = UINT64_MAX;
  pml__timers_fire(&l->timers, uv_now(&l->uv));
  arm(l, pml__timers_next(&l->timers));
}

/* t is due next, or NULL. uv_timer is moved to an earlier time at once, to a later one only when it
 * fires: most timers here are deadlines that are stopped long before. */
static void arm(pml_loop *l, const pml_timer *t) {
  if (l->is_virtual || l->timers.firing || !t || t->due >= l->armed) return;
  uint64_t now = uv_now(&l->uv);
  l->armed = t->due;
  /* Never 0: libuv would fire it again in the same round of timers. */
  uv_timer_start(&l->timer, on_uv_timer, l->armed > now ? l->armed - now : 1, 0);
}

void pml_timer_start(pml_loop *l, pml_timer *t, uint64_t ms) {
  /* Outside of run the clock is as old as the last turn, perhaps seconds. */
  if (!l->is_virtual && !l->running) uv_update_time(&l->uv);
  pml__timers_add(&l->timers, t, pml_loop_now(l), ms);
  arm(l, t);
}

void pml_timer_stop(pml_loop *l, pml_timer *t) { pml__timers_remove(&l->timers, t); }

/* ---- life ---- */

static pml_loop *blank_new(int is_virtual) {
  pml_loop *l = pml_alloc0(sizeof *l);
  l->is_virtual = is_virtual;
  pml_list_init(&l->due);
  pml_list_init(&l->later);
  l->armed = UINT64_MAX;
  return l;
}

pml_loop *pml_loop_new(void) {
  pml_loop *l = blank_new(0);
  if (uv_loop_init(&l->uv)) {
    pml_free(l);
    return NULL;
  }
  /* These four cannot fail. */
  uv_prepare_init(&l->uv, &l->prepare);
  uv_check_init(&l->uv, &l->check);
  uv_idle_init(&l->uv, &l->idle);
  uv_timer_init(&l->uv, &l->timer);
  l->prepare.data = l->check.data = l->idle.data = l->timer.data = l;
  uv_prepare_start(&l->prepare, on_prepare); /* also keeps uv_run from returning */
  uv_check_start(&l->check, on_check);
  return l;
}

pml_loop *pml_loop_new_virtual(void) {
  pml_loop *l = blank_new(1);
  l->now = 1; /* 0 is what a forgotten field looks like */
  return l;
}

#ifndef NDEBUG
static void must_be_closing(uv_handle_t *h, void *ud) {
  (void)ud;
  assert(uv_is_closing(h)); /* ours: whoever opened a handle closes it before the loop goes */
}
#endif

/* Close callbacks may still defer work, so both go on until there is neither. */
static void run_out(pml_loop *l) {
  uv_close((uv_handle_t *)&l->prepare, NULL);
  uv_close((uv_handle_t *)&l->check, NULL);
  uv_close((uv_handle_t *)&l->idle, NULL);
  uv_close((uv_handle_t *)&l->timer, NULL);
#ifndef NDEBUG
  uv_walk(&l->uv, must_be_closing, NULL);
#endif
  do {
    tasks_run(l);
    if (uv_run(&l->uv, UV_RUN_ONCE) == 0 && pml_list_empty(&l->due)) break;
  } while (1);
  int rc = uv_loop_close(&l->uv);
  assert(rc == 0); /* ours: nothing is left */
  (void)rc;
}

void pml_loop_free(pml_loop *l) {
  if (!l) return;
  assert(!l->running);                   /* ours: freed from outside */
  assert(pml_list_empty(&l->due));       /* ours: tasks are cancelled by their owners */
  assert(!pml__timers_next(&l->timers)); /* ours: timers are stopped by their owners */
  if (!l->is_virtual) run_out(l);
  assert(pml_list_empty(&l->due) &&
         !pml__timers_next(&l->timers)); /* ours: as above, after closing */
  pml_helpers_leave(l->helpers, HELPERS_MS);
  pml__timers_fini(&l->timers);
  pml_free(l);
}

/* ---- turns ---- */

pml_helpers *pml_loop_helpers(pml_loop *l) {
  if (!l->helpers) l->helpers = pml_helpers_new();
  return l->helpers;
}

uv_loop_t *pml_loop_uv(pml_loop *l) { return l->is_virtual ? NULL : &l->uv; }
int pml_loop_is_virtual(const pml_loop *l) { return l->is_virtual; }
uint64_t pml_loop_now(const pml_loop *l) { return l->is_virtual ? l->now : uv_now(&l->uv); }
uint64_t pml_loop_turn(const pml_loop *l) { return l->turn; }

void pml_loop_run(pml_loop *l) {
  assert(!l->is_virtual && !l->running); /* ours: one thread runs it, once at a time */
  l->running = 1;
  while (!l->stopped) uv_run(&l->uv, UV_RUN_DEFAULT);
  tasks_run(l); /* libuv leaves right after polling; this turn has not had its end */
  l->stopped = 0;
  l->running = 0;
}

void pml_loop_stop(pml_loop *l) {
  l->stopped = 1;
  if (!l->is_virtual) uv_stop(&l->uv);
}

void pml_loop_settle(pml_loop *l) {
  assert(l->is_virtual); /* ours: real loops turn by themselves */
  for (int i = 0; i < PASSES_MAX && !pml_list_empty(&l->due); i++) {
    tasks_run(l);
    l->turn++;
  }
}

int pml_loop_idle(const pml_loop *l, uint64_t *ms) {
  const pml_timer *t = pml__timers_next(&l->timers);
  if (!t) return 0;
  *ms = t->due > l->now ? t->due - l->now : 0;
  return 1;
}

void pml_loop_advance(pml_loop *l, uint64_t ms) {
  assert(l->is_virtual && !l->timers.firing); /* ours: the test kit turns it, not a callback */
  uint64_t end = l->now + ms;
  pml_loop_settle(l);
  for (pml_timer *t; (t = pml__timers_next(&l->timers)) && t->due <= end;) {
    if (t->due > l->now) l->now = t->due;
    pml__timers_fire(&l->timers, l->now);
    l->turn++;
    pml_loop_settle(l);
  }
  l->now = end;
}
