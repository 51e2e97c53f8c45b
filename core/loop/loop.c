#include "base/container.h"
#include "loop/loop_private.h"

#include "base/mem.h"

#include <assert.h>

/* A settle ends after so many passes even when some task always asks again. */
#define PASSES_MAX 1000

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

static pml_loop *blank_new(int is_virtual) {
  pml_loop *l = pml_alloc0(sizeof *l);
  l->is_virtual = is_virtual;
  pml_list_init(&l->due);
  pml_list_init(&l->later);
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
  pml__timers_init(l);
  return l;
}

pml_loop *pml_loop_new_virtual(void) {
  pml_loop *l = blank_new(1);
  l->now = 1; /* 0 is what a forgotten field looks like */
  pml__timers_init(l);
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
  pml__timers_fini(l);
  pml_free(l);
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

void pml_loop_advance(pml_loop *l, uint64_t ms) {
  assert(l->is_virtual && !l->timers.firing); /* ours: the test kit turns it, not a callback */
  uint64_t end = l->now + ms;
  pml_loop_settle(l);
  for (pml_timer *t; (t = pml__timers_next(&l->timers)) && t->due <= end;) {
    if (t->due > l->now) l->now = t->due;
    pml__timers_fire(l, l->now);
    l->turn++;
    pml_loop_settle(l);
  }
  l->now = end;
}
