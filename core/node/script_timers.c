#include "node/script_timers.h"

#include "base/container.h"
#include "base/mem.h"
#include "node/state.h"

typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id;
} script_timer;

static void fire(pml_timer *t) {
  script_timer *st = PML_CONTAINER(t, script_timer, timer);
  pml_node *n = st->node;
  pml_id id = st->id;
  pml_slots_take(n->script_timers.running, id);
  pml_free(st);
  if (n->script.on_timer) n->script.on_timer(n->script.ud, id);
}

pml_id pml_node_timer(pml_node *n, uint64_t ms) {
  script_timer *st = pml_alloc0(sizeof *st);
  st->node = n;
  st->id = pml_slots_put(n->script_timers.running, st);
  if (!st->id) {
    pml_free(st);
    return 0;
  }
  pml_timer_init(&st->timer, fire);
  pml_timer_start(n->loop, &st->timer, ms);
  return st->id;
}

static void cancel(void *obj, void *ud) {
  script_timer *st = obj;
  pml_node *n = ud;
  pml_timer_stop(n->loop, &st->timer);
  pml_free(st);
}

int pml_node_timer_cancel(pml_node *n, pml_id id) {
  script_timer *st = pml_slots_take(n->script_timers.running, id);
  if (!st) return 0;
  cancel(st, n);
  return 1;
}

void pml__script_timers_init(pml_node *n) { n->script_timers.running = pml_slots_new(n->floor); }

void pml__script_timers_clear(pml_node *n) {
  pml_slots_drain(n->script_timers.running, cancel, n);
  pml_slots_free(n->script_timers.running);
}

size_t pml__script_timers_count(const pml_node *n) {
  return pml_slots_count(n->script_timers.running);
}
