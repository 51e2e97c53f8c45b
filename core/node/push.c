#include "node/push.h"

#include "base/err.h"
#include "base/mem.h"
#include "node/cluster.h"
#include "node/cluster_members.h"
#include "node/deliver.h"
#include "node/gather.h"
#include "node/state.h"

const pml_counter pml__push_counters[] = {
  PML_NODE_COUNTER("pushes", push.pushes),
  PML_NODE_COUNTER("pushRecords", push.records),
  {NULL, 0},
};

/* One push while it is sent to one frontend after the other. */
typedef struct {
  pml_node *node;
  const pml_push_what *what;
  pml_envelope env;
  pml_buf *except_block;
  pml_gather *gather; /* NULL: no acknowledgement is wanted */
} job;

static void to_self(const job *j, pml_buf *uids) {
  pml_writer *fails = j->gather ? pml__gather_here(j->gather) : NULL;
  const pml_push_what *w = j->what;
  if (j->env.kind == PML_ENV_PUSH)
    pml__deliver_uids(j->node, uids, w->except, w->frame, w->how, fails);
  else if (j->env.kind == PML_ENV_CHANNEL)
    pml__cluster_deliver(j->node, j->env.route, w->except, w->frame, w->how);
  else pml__deliver_all(j->node, j->env.flags, j->env.param, w->except, w->frame, w->how);
}

static int to_other(job *j, const char *sid, pml_buf *uids) {
  pml_rpc *rpc = j->node->rpc;
  if (!rpc) return PML_ENOENT;
  if (j->gather)
    return pml__gather_ask(j->gather, sid, &j->env, j->what->frame, uids, j->except_block,
                           j->what->ms);
  pml_buf *extra = j->env.kind == PML_ENV_PUSH ? uids : j->except_block;
  return pml_rpc_cast(rpc, sid, &j->env, j->what->frame, extra);
}

static void to_frontend(job *j, const char *sid, pml_buf *uids) {
  pml_node *n = j->node;
  if (strcmp(sid, n->id) == 0 && n->is_frontend) {
    to_self(j, uids);
    return;
  }
  int rc = to_other(j, sid, uids);
  if (rc == 0) {
    n->push.records++;
    return;
  }
  pml__deliver_failed(n);
  pml_log_some(&n->log, PML_DEBUG, "pushes that were not sent",
               "a push to server %s was not sent: %s", sid, pml_err_reason(rc));
  if (j->gather) pml__gather_fail(j->gather, uids, j->what->except);
}

static pml_envelope envelope(int kind, pml_delivery how) {
  return (pml_envelope){
    .kind = (uint8_t)kind,
    .flags = how.policy == PML_LATEST ? PML_ENV_LATEST
             : how.policy == PML_DROP ? PML_ENV_DROP
                                      : 0,
    .identity = how.identity,
  };
}

static int job_begin(job *j, pml_node *n, int kind, const pml_push_what *what, pml_id *push) {
  *j = (job){.node = n, .what = what, .env = envelope(kind, what->how)};
  *push = 0;
  if (kind == PML_ENV_PUSH) j->env.param = what->except;
  if (what->except.n) j->except_block = pml_buf_from(what->except.p, what->except.n);
  if (what->ms && !(j->gather = pml__gather_new(n, kind))) {
    pml_buf_unref(j->except_block);
    return PML_EFULL;
  }
  n->push.pushes++;
  return 0;
}

static void job_end(job *j, pml_id *push) {
  pml_buf_unref(j->except_block);
  if (j->gather) *push = pml__gather_wait(j->gather);
}

int pml_push_channel(pml_node *n, pml_channel *c, const pml_push_what *what, pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_PUSH, what, push);
  if (rc) return rc;
  j.env.series = pml_channel_id(c);
  if (pml_channel_is_marked(c)) pml__membership_pushed(n, c);
  for (pml_group *g = pml_channel_first(c); g; g = pml_group_next(c, g))
    to_frontend(&j, pml_group_sid(g), pml_group_uids(g));
  job_end(&j, push);
  return 0;
}

int pml_push_uids(pml_node *n, const pml_push_target *to, size_t count, const pml_push_what *what,
                  pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_PUSH, what, push);
  if (rc) return rc;
  char *taken = pml_alloc0(count + 1);
  for (size_t i = 0; i < count; i++) {
    if (taken[i]) continue;
    pml_writer w = {0};
    for (size_t k = i; k < count; k++) {
      if (taken[k] || strcmp(to[k].sid, to[i].sid) != 0) continue;
      taken[k] = 1;
      pml_uids_put(&w, to[k].uid);
    }
    pml_buf *uids = pml_writer_finish(&w);
    to_frontend(&j, to[i].sid, uids);
    pml_buf_unref(uids);
  }
  pml_free(taken);
  job_end(&j, push);
  return 0;
}

int pml_push_broadcast(pml_node *n, const pml_push_broadcast_to *to, const pml_push_what *what,
                       pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_BROADCAST, what, push);
  if (rc) return rc;
  j.env.param = to->param;
  if (to->binded) j.env.flags |= PML_ENV_BINDED;
  if (to->filtered) j.env.flags |= PML_ENV_FILTER;
  for (size_t i = 0; i < to->count; i++) to_frontend(&j, to->sids[i], NULL);
  job_end(&j, push);
  return 0;
}

static void to_member_place(const char *id, void *ud) { to_frontend(ud, id, NULL); }

int pml_push_cluster(pml_node *n, pml_slice name, const pml_push_what *what, pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_CHANNEL, what, push);
  if (rc) return rc;
  j.env.route = name;
  if (n->is_frontend) to_frontend(&j, n->id, NULL);
  pml_cluster_each(n, name, to_member_place, &j);
  job_end(&j, push);
  return 0;
}

int pml_push_session(pml_node *n, const char *sid, uint64_t incarnation, pml_id session,
                     const pml_push_what *what) {
  int here = strcmp(sid, n->id) == 0 && n->is_frontend;
  if (incarnation && (!n->rpc || pml_rpc_incarnation(n->rpc, sid) != incarnation))
    return PML_ENOENT;
  if (here) {
    int rc = pml__deliver_session(n, session, what->frame, what->how);
    n->push.pushes += rc == 0;
    return rc;
  }
  if (!n->rpc) return PML_ENOENT;
  pml_envelope env = envelope(PML_ENV_SEND, what->how);
  env.session = session;
  int rc = pml_rpc_cast(n->rpc, sid, &env, what->frame, NULL);
  if (rc) return rc;
  n->push.pushes++;
  n->push.records++;
  return 0;
}
