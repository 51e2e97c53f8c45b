#include "node/moves.h"

#include "base/container.h"
#include "base/mem.h"
#include "node/drain.h"
#include "node/state.h"

#include <inttypes.h>

#define STEP_MS 10 /* clients that are due within so long are told together */

const pml_counter pml__moves_counters[] = {
  PML_NODE_COUNTER("moved", moves.moved),
  PML_NODE_COUNTER("requestsBehindClose", moves.behind_requests),
  PML_NODE_COUNTER("notifiesBehindClose", moves.behind_notifies),
  {NULL, 0},
};

void pml__moves_behind(pml_node *n, uint32_t requests, uint32_t notifies) {
  n->moves.behind_requests += requests;
  n->moves.behind_notifies += notifies;
}

void pml__moves_count(pml_node *n, int is_request) {
  pml__moves_behind(n, is_request != 0, is_request == 0);
}

/* Whether nothing is open that its client gets an answer to. */
static int is_idle(const pml_session *s) { return s->in_flight <= s->notifies; }

/* It is taken out of the tables, so that a push that comes now is reported as not delivered. */
static void tell(pml_node *n, pml_session *s) {
  n->moves.moved++;
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  if (s->sink) pml_sink_move(s->sink, pml_slice_str(n->moves.reason));
}

static void wait_for(pml_moves *m, pml_session *s) {
  if (m->nwaiting == m->room) {
    m->room = m->room ? 2 * m->room : 64;
    m->waiting = pml_realloc(m->waiting, m->room * sizeof *m->waiting);
  }
  m->waiting[m->nwaiting++] = s->id;
}

typedef struct {
  pml_node *node;
  size_t left; /* how many turns are due */
} due;

static int take_turn(pml_session *s, void *ud) {
  due *d = ud;
  if (s->moving) return 0;
  if (!d->left) return 1;
  d->left--;
  d->node->moves.turns++;
  s->moving = 1;
  if (is_idle(s)) tell(d->node, s);
  else wait_for(&d->node->moves, s);
  return 0;
}

static void end(pml_node *n) {
  pml_moves *m = &n->moves;
  void (*done)(void *ud) = m->done;
  pml_timer_stop(n->loop, &m->tick);
  m->done = NULL;
  if (done) done(m->ud);
}

/* How many are to have had their turn by now: client i of N has its at ms * i / N. */
static size_t turns_due(const pml_moves *m, uint64_t been) {
  return been >= m->ms ? SIZE_MAX : (size_t)(been * m->total / m->ms) + 1;
}

static void tick(pml_node *n) {
  pml_moves *m = &n->moves;
  uint64_t been = pml_loop_now(n->loop) - m->began;
  size_t all = turns_due(m, been);
  due d = {n, all > m->turns ? all - m->turns : 0};
  pml_sessions_each(n->sessions, take_turn, &d);
  if (been >= m->ms || pml_sessions_count(n->sessions) == 0) {
    end(n);
    return;
  }
  uint64_t next = m->total ? (m->turns * m->ms + m->total - 1) / m->total : m->ms;
  if (next < been + STEP_MS && m->total > m->ms / STEP_MS) next = been + STEP_MS;
  if (next > m->ms) next = m->ms;
  pml_timer_start(n->loop, &m->tick, next > been ? next - been : 1);
}

static void on_tick(pml_timer *t) { tick(PML_CONTAINER(t, pml_node, moves.tick)); }

/* At the end of a turn: a client that is told in the middle of one may have sent more in it. */
static void on_settle(pml_task *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, moves.settle);
  pml_moves *m = &n->moves;
  size_t kept = 0;
  for (size_t i = 0; i < m->nwaiting; i++) {
    pml_session *s = pml_sessions_get(n->sessions, m->waiting[i]);
    if (s && is_idle(s)) tell(n, s);
    else if (s) m->waiting[kept++] = m->waiting[i];
  }
  m->nwaiting = kept;
  if (m->done && pml_sessions_count(n->sessions) == 0) end(n);
}

void pml__moves_answered(pml_node *n, const pml_session *s) {
  if (s->moving && is_idle(s)) pml_loop_defer(n->loop, &n->moves.settle);
}

void pml__moves_session_ended(pml_node *n) {
  if (n->moves.done && pml_sessions_count(n->sessions) == 0)
    pml_loop_defer(n->loop, &n->moves.settle);
}

void pml_node_move(pml_node *n, const char *reason, uint32_t ms, void (*done)(void *ud), void *ud) {
  pml_moves *m = &n->moves;
  pml__resume_stop(n, pml_slice_str(reason));
  if (n->listener) pml_listener_close(n->listener);
  n->listener = NULL;
  m->began = pml_loop_now(n->loop);
  m->ms = ms;
  m->total = pml_sessions_count(n->sessions);
  m->turns = 0;
  m->reason = reason;
  m->done = done;
  m->ud = ud;
  tick(n);
}

void pml__moves_init(pml_node *n) {
  pml_task_init(&n->moves.settle, on_settle);
  pml_timer_init(&n->moves.tick, on_tick);
}

/* Connections have ended: no more comes. */
static void log_counts(pml_node *n) {
  const pml_moves *m = &n->moves;
  if (!m->moved) return;
  pml_log_write(&n->log, PML_INFO,
                "%" PRIu64 " clients were told to move; requests behind the close: %" PRIu64
                ", notifies: %" PRIu64,
                m->moved, m->behind_requests, m->behind_notifies);
}

void pml__moves_clear(pml_node *n) {
  log_counts(n);
  n->moves.done = NULL;
  pml_timer_stop(n->loop, &n->moves.tick);
  pml_task_cancel(&n->moves.settle);
  pml_free(n->moves.waiting);
}
