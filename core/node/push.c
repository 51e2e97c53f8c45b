#include "node/push.h"

#include "base/err.h"
#include "base/mem.h"
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
  pml_envelope env;
  pml_buf *frame, *except_block;
  pml_slice except;
  uint32_t ms;
  pml_gather *gather; /* NULL: no acknowledgement is wanted */
} job;

static void to_self(const job *j, pml_buf *uids) {
  pml_writer *fails = j->gather ? pml__gather_here(j->gather) : NULL;
  if (j->env.kind == PML_ENV_PUSH) pml__deliver_uids(j->node, uids, j->except, j->frame, fails);
  else pml__deliver_all(j->node, j->env.flags, j->env.param, j->except, j->frame);
}

static int to_other(job *j, const char *sid, pml_buf *uids) {
  pml_rpc *rpc = j->node->rpc;
  if (!rpc) return PML_ENOENT;
  if (j->gather)
    return pml__gather_ask(j->gather, sid, &j->env, j->frame, uids, j->except_block, j->ms);
  pml_buf *extra = j->env.kind == PML_ENV_PUSH ? uids : j->except_block;
  return pml_rpc_cast(rpc, sid, &j->env, j->frame, extra);
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
  if (j->gather) pml__gather_fail(j->gather, uids, j->except);
}

static int job_begin(job *j, pml_node *n, int kind, pml_buf *frame, pml_slice except, uint32_t ms,
                     pml_id *push) {
  *j = (job){.node = n, .frame = frame, .except = except, .ms = ms, .env = {.kind = (uint8_t)kind}};
  *push = 0;
  if (kind == PML_ENV_PUSH) j->env.param = except;
  if (except.n) j->except_block = pml_buf_from(except.p, except.n);
  if (ms && !(j->gather = pml__gather_new(n, kind == PML_ENV_BROADCAST))) {
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

int pml_push_channel(pml_node *n, pml_channel *c, pml_buf *frame, pml_slice except, uint32_t ms,
                     pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_PUSH, frame, except, ms, push);
  if (rc) return rc;
  for (pml_group *g = pml_channel_first(c); g; g = pml_group_next(c, g))
    to_frontend(&j, pml_group_sid(g), pml_group_uids(g));
  job_end(&j, push);
  return 0;
}

int pml_push_uids(pml_node *n, const pml_push_target *to, size_t count, pml_buf *frame,
                  pml_slice except, uint32_t ms, pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_PUSH, frame, except, ms, push);
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

int pml_push_broadcast(pml_node *n, const pml_push_broadcast_to *to, pml_buf *frame, uint32_t ms,
                       pml_id *push) {
  job j;
  int rc = job_begin(&j, n, PML_ENV_BROADCAST, frame, to->except, ms, push);
  if (rc) return rc;
  j.env.param = to->param;
  if (to->binded) j.env.flags |= PML_ENV_BINDED;
  if (to->filtered) j.env.flags |= PML_ENV_FILTER;
  for (size_t i = 0; i < to->count; i++) to_frontend(&j, to->sids[i], NULL);
  job_end(&j, push);
  return 0;
}
