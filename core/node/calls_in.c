#include "node/calls_in.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/state.h"
#include "node/push.h"
#include "node/requests.h"
#include "wire/message.h"

/* A remote call that waits for its answer; forgotten when its caller has given up. */
typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id;
  uint64_t call, incarnation; /* of the server `from`, and its own */
  uint32_t generation;
  uint8_t aside; /* a stop does not wait for it */
  char from[];
} remote_call;

static void forget(void *obj, pml_node *n) {
  remote_call *c = obj;
  pml_timer_stop(n->loop, &c->timer);
  pml_free(c);
}

static void given_up(pml_timer *t) {
  remote_call *c = PML_CONTAINER(t, remote_call, timer);
  pml_slots_take(c->node->remote_calls, c->id);
  pml_free(c);
}

static void refuse(pml_node *n, const pml_envelope *env, const char *text) {
  if (!env->call) return;
  char *from = pml_strndup((const char *)env->from.p, env->from.n);
  pml_buf *b = pml_buf_from(text, strlen(text));
  pml_rpc_answer(n->rpc, from, env->from_incarnation, env->call, 1, b);
  pml_buf_unref(b);
  pml_free(from);
}

static void forwarded(pml_node *n, const pml_envelope *env) {
  pml_id request = 0;
  if (pml__node_refuses(n)) {
    refuse(n, env, "its scripts hold too much memory");
    return;
  }
  if (n->stopping > 1) {
    n->counts.stopping++;
    refuse(n, env, "this server is stopping");
    return;
  }
  if (n->frontend || !n->script.on_forwarded) {
    refuse(n, env, "this server takes no forwarded messages");
    return;
  }
  if (env->call && (env->msg_id == 0 || env->msg_id > PML_MSG_ID_MAX)) {
    refuse(n, env, "a request without a message id");
    return;
  }
  if (env->call && !(request = pml_requests_remote(n, env))) {
    refuse(n, env, "too many requests are open");
    return;
  }
  if (env->call) n->counts.requests++;
  else n->counts.notifies++;
  n->counts.begun++;
  n->script.on_forwarded(n->script.ud, request, env, env->param);
}

static void called(pml_node *n, const pml_envelope *env, pml_slice args) {
  pml_id id = 0;
  if (env->route.n == 0) { /* whoever asks knows now that all before it has arrived */
    refuse(n, env, "");
    return;
  }
  n->counts.calls_in++;
  if (!(env->flags & PML_ENV_ASIDE)) n->counts.begun++;
  if (!n->script.on_call) {
    refuse(n, env, "this server has no scripts");
    return;
  }
  if (env->call) {
    remote_call *c = pml_alloc0(sizeof *c + env->from.n + 1);
    c->node = n;
    c->call = env->call;
    c->incarnation = env->from_incarnation;
    c->generation = n->generation;
    c->aside = (env->flags & PML_ENV_ASIDE) != 0;
    memcpy(c->from, env->from.p, env->from.n);
    c->id = id = pml_slots_put(n->remote_calls, c);
    if (!id) {
      pml_free(c);
      refuse(n, env, "too many calls are open");
      return;
    }
    pml_timer_init(&c->timer, given_up);
    pml_timer_start(n->loop, &c->timer, env->ms);
  }
  n->script.on_call(n->script.ud, id, env, args);
}

void pml_backend_record(pml_node *n, const pml_envelope *env, pml_buf *body, pml_buf *extra) {
  switch (env->kind) {
  case PML_ENV_FORWARD: forwarded(n, env); break;
  case PML_ENV_CALL: called(n, env, pml_buf_slice(body)); break;
  case PML_ENV_PUSH:
  case PML_ENV_BROADCAST: pml_push_record(n, env, body, extra); break;
  default:
    pml_log_some(&n->log, PML_WARN, "records of an unknown kind",
                 "a record of kind %u from server %.*s: not known here", env->kind,
                 (int)env->from.n, (const char *)env->from.p);
  }
}

int pml_node_reply(pml_node *n, pml_id call, int status, pml_buf *body) {
  remote_call *c = pml_slots_get(n->remote_calls, call);
  if (!c) return PML_ECLOSED;
  int rc =
    n->rpc ? pml_rpc_answer(n->rpc, c->from, c->incarnation, c->call, status, body) : PML_ECLOSED;
  if (rc == PML_ETOOBIG) return rc; /* an error would still fit */
  pml_slots_take(n->remote_calls, call);
  forget(c, n);
  return rc;
}

void pml_backend_gone(pml_node *n, const char *server) {
  uint32_t at = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->remote_calls, &at, &id));) {
    if (strcmp(c->from, server) != 0) continue;
    pml_slots_take(n->remote_calls, id);
    forget(c, n);
  }
}

void pml_backend_older(pml_node *n, pml_requests_on_older_fn fn, void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->remote_calls, &at, &id));)
    if (c->generation != n->generation) fn(id, c->generation, ud);
}

size_t pml_backend_open(pml_node *n) {
  uint32_t at = 0;
  size_t open = 0;
  pml_id id;
  for (remote_call *c; (c = pml_slots_next(n->remote_calls, &at, &id));) open += !c->aside;
  return open;
}

void pml_backend_clear(pml_node *n) { pml__node_empty(n->remote_calls, forget, n); }
