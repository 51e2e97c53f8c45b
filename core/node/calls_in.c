#include "node/calls_in.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/admission.h"
#include "node/fair.h"
#include "node/state.h"

const pml_counter pml__calls_in_counters[] = {
  PML_NODE_COUNTER("callsIn", calls_in.calls),
  {NULL, 0},
};

/* A call that waits for its answer. It is forgotten when its caller has given up. */
typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id;
  uint64_t call, incarnation; /* the call of server `from`, and the incarnation of that server */
  uint32_t generation;
  uint8_t aside; /* a stop does not wait for it */
  char from[];
} remote_call;

static void forget(void *obj, void *ud) {
  remote_call *c = obj;
  pml_node *n = ud;
  pml_timer_stop(n->loop, &c->timer);
  pml_free(c);
}

static void given_up(pml_timer *t) {
  remote_call *c = PML_CONTAINER(t, remote_call, timer);
  pml_slots_take(c->node->calls_in.open, c->id);
  pml_free(c);
}

static void mark_leaving(pml_node *n, pml_slice id) {
  char *text = pml_strndup((const char *)id.p, id.n);
  pml_node_leaving(n, text);
  pml_free(text);
}

void pml__calls_in_take(pml_node *n, const pml_envelope *env, pml_slice args) {
  pml_id id = 0;
  if (env->route.n == 0) { /* the answer says that all records before it were taken */
    if (env->flags & PML_ENV_LEAVING) mark_leaving(n, env->from);
    pml__fair_finish(n);
    pml_rpc_refuse(n->rpc, env, "");
    return;
  }
  n->calls_in.calls++;
  if (!(env->flags & PML_ENV_ASIDE)) pml__admission_begin(n);
  if (!n->script.on_call) {
    pml_rpc_refuse(n->rpc, env, "this server has no scripts");
    return;
  }
  if (env->call) {
    remote_call *c = pml_alloc0(sizeof *c + env->from.n + 1);
    c->node = n;
    c->call = env->call;
    c->incarnation = env->from_incarnation;
    c->generation = n->generation;
    c->aside = (env->flags & PML_ENV_ASIDE) != 0;
    pml_slice_copy(c->from, env->from);
    c->id = id = pml_slots_put(n->calls_in.open, c);
    if (!id) {
      pml_free(c);
      pml_rpc_refuse(n->rpc, env, "too many calls are open");
      return;
    }
    pml_timer_init(&c->timer, given_up);
    pml_timer_start(n->loop, &c->timer, env->ms);
  }
  n->script.on_call(n->script.ud, id, env, args);
}

int pml_node_reply(pml_node *n, pml_id call, int status, pml_buf *body) {
  remote_call *c = pml_slots_get(n->calls_in.open, call);
  if (!c) return PML_ECLOSED;
  int rc =
    n->rpc ? pml_rpc_answer(n->rpc, c->from, c->incarnation, c->call, status, body) : PML_ECLOSED;
  if (rc == PML_ETOOBIG) return rc; /* the answer may be an error text instead */
  pml_slots_take(n->calls_in.open, call);
  forget(c, n);
  return rc;
}

void pml__calls_in_gone(pml_node *n, const char *server) {
  uint32_t at = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->calls_in.open, &at, &id));) {
    if (strcmp(c->from, server) != 0) continue;
    pml_slots_take(n->calls_in.open, id);
    forget(c, n);
  }
}

void pml_calls_in_older(pml_node *n, pml_calls_in_on_older_fn fn, void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->calls_in.open, &at, &id));)
    if (c->generation != n->generation) fn(id, c->generation, ud);
}

int64_t pml_calls_in_left(const pml_node *n, pml_id id) {
  remote_call *c = pml_slots_get(n->calls_in.open, id);
  return c ? (int64_t)(c->timer.due - pml_loop_now(n->loop)) : -1;
}

size_t pml_calls_in_open(const pml_node *n) {
  uint32_t at = 0;
  size_t open = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->calls_in.open, &at, &id));) open += !c->aside;
  return open;
}

void pml__calls_in_init(pml_node *n) { n->calls_in.open = pml_slots_new(n->floor); }

void pml__calls_in_clear(pml_node *n) {
  pml_slots_drain(n->calls_in.open, forget, n);
  pml_slots_free(n->calls_in.open);
}
