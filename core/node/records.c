#include "node/records.h"

#include "node/admission.h"
#include "node/calls_in.h"
#include "node/cluster.h"
#include "node/cluster_members.h"
#include "node/credits.h"
#include "node/deliver.h"
#include "node/fair.h"
#include "node/requests.h"
#include "node/state.h"
#include "wire/message.h"

static void handle(pml_node *n, const pml_envelope *env) {
  pml_id request = 0;
  if (pml__admission_low_memory(n)) {
    pml_rpc_refuse(n->rpc, env, "its scripts hold too much memory");
    return;
  }
  if (pml__admission_stopped(n, PML_FROM_SERVER)) {
    pml_rpc_refuse(n->rpc, env, "this server is stopping");
    return;
  }
  if (n->is_frontend || !n->script.on_forwarded) {
    pml_rpc_refuse(n->rpc, env, "this server takes no forwarded messages");
    return;
  }
  if (env->call && (env->msg_id == 0 || env->msg_id > PML_MSG_ID_MAX)) {
    pml_rpc_refuse(n->rpc, env, "a request without a message id");
    return;
  }
  if (env->call && !(request = pml__requests_remote(n, env))) {
    pml_rpc_refuse(n->rpc, env, "too many requests are open");
    return;
  }
  pml__admission_count(n, env->call != 0);
  pml__admission_begin(n);
  n->script.on_forwarded(n->script.ud, request, env, env->param);
}

/* A notify is no longer in flight once its handler has returned, or waits: what waits is counted by
 * the scripts. */
static void forwarded(pml_node *n, const pml_envelope *env) {
  handle(n, env);
  if (!env->call) pml__credits_give(n, env);
}

static void too_many(pml_node *n, const pml_envelope *env) {
  if (env->call) pml_rpc_refuse(n->rpc, env, "too much of its session waits");
  else pml__credits_give(n, env);
}

void pml__records_init(pml_node *n) { pml__fair_init(n, forwarded, too_many); }

void pml__records_take(pml_node *n, const pml_envelope *env, pml_buf *body, pml_buf *extra) {
  switch (env->kind) {
  case PML_ENV_FORWARD: pml__fair_take(n, env); break;
  case PML_ENV_CREDIT: pml__credits_take(n, env); break;
  case PML_ENV_CALL: pml__calls_in_take(n, env, pml_buf_slice(body)); break;
  case PML_ENV_PUSH:
  case PML_ENV_BROADCAST:
  case PML_ENV_SEND: pml__deliver_record(n, env, body, extra); break;
  case PML_ENV_CHANNEL: pml__cluster_record(n, env, body, extra); break;
  case PML_ENV_INTEREST: pml__cluster_told(n, env, body); break;
  default:
    pml_log_some(&n->log, PML_WARN, "records of an unknown kind",
                 "a record of kind %u from server %.*s: not known here", env->kind,
                 (int)env->from.n, (const char *)env->from.p);
  }
}
