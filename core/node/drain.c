#include "node/drain.h"

#include "base/container.h"

#include "node/admission.h"
#include "node/state.h"

void pml_node_close(pml_node *n, int refuse) {
  pml__resume_stop(n, pml_slice_str(NULL));
  if (n->listener) pml_listener_close(n->listener);
  n->listener = NULL;
  pml__admission_stop(n, refuse ? PML_FROM_SERVER : PML_FROM_CLIENT);
}

static size_t sessions_left(const pml_node *n) {
  return pml_sessions_count(n->sessions) + n->drain.kicked;
}

static void end(pml_node *n) {
  void (*done)(void *ud) = n->drain.done;
  pml_timer_stop(n->loop, &n->drain.timer);
  n->drain.done = NULL;
  if (done) done(n->drain.ud);
}

static void on_last_session(pml_task *t) { end(PML_CONTAINER(t, pml_node, drain.task)); }
static void on_deadline(pml_timer *t) { end(PML_CONTAINER(t, pml_node, drain.timer)); }

void pml__drain_init(pml_node *n) {
  pml_task_init(&n->drain.task, on_last_session);
  pml_timer_init(&n->drain.timer, on_deadline);
}

void pml__drain_clear(pml_node *n) {
  n->drain.done = NULL;
  pml_timer_stop(n->loop, &n->drain.timer);
  pml_task_cancel(&n->drain.task);
}

void pml__drain_kicked(pml_node *n, int on) {
  if (on) n->drain.kicked++;
  else n->drain.kicked--;
}

void pml__drain_session_ended(pml_node *n) {
  if (n->drain.done && sessions_left(n) == 0) pml_loop_defer(n->loop, &n->drain.task);
}

size_t pml__drain_open(const pml_node *n) { return n->drain.begun ? sessions_left(n) : 0; }

static int leave(pml_session *s, void *ud) {
  if (s->sink) pml_sink_move(s->sink, pml_slice_str(ud));
  return 0;
}

void pml_node_drain(pml_node *n, const char *reason, uint32_t ms, void (*done)(void *ud),
                    void *ud) {
  pml_node_close(n, 1);
  pml__resume_stop(n, pml_slice_str(reason));
  n->drain.begun = 1;
  n->drain.done = done;
  n->drain.ud = ud;
  pml_timer_start(n->loop, &n->drain.timer, ms);
  pml_sessions_each(n->sessions, leave, (void *)(uintptr_t)reason);
  pml__drain_session_ended(n);
}
