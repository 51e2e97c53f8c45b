#include "node/log_limit.h"

#include "base/container.h"
#include "base/throttle.h"
#include "node/state.h"

static uint64_t now(void *ud) { return pml_loop_now(((pml_node *)ud)->loop); }

static void on_held(uint64_t ms, void *ud) {
  pml_node *n = ud;
  pml_timer_start(n->loop, &n->log_limit.timer, ms);
}

static void report(pml_timer *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, log_limit.timer);
  pml_log_left_out(&n->log, 0);
  uint64_t ms = pml_throttle_due(n->log.throttle);
  if (ms) pml_timer_start(n->loop, t, ms);
}

void pml__log_limit_init(pml_node *n) {
  pml_throttle_hooks hooks = {now, on_held, n};
  pml_timer_init(&n->log_limit.timer, report);
  n->log.throttle = pml_throttle_new(&hooks);
}

void pml__log_limit_flush(pml_node *n) {
  pml_log_left_out(&n->log, 1);
  pml_timer_stop(n->loop, &n->log_limit.timer);
}

void pml__log_limit_clear(pml_node *n) {
  pml_timer_stop(n->loop, &n->log_limit.timer);
  pml_throttle_free(n->log.throttle);
}
