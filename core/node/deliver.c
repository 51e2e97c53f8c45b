#include "node/deliver.h"

#include "base/err.h"
#include "base/uidset.h"
#include "node/resolve.h"
#include "node/state.h"
#include "node/transcode.h"
#include "wire/frame.h"

const pml_counter pml__deliver_counters[] = {
  PML_NODE_COUNTER("deliveries", deliver.deliveries),
  PML_NODE_COUNTER("pushFails", deliver.fails),
  {NULL, 0},
};

void pml__deliver_init(pml_node *n) { n->deliver.resolver = pml_resolver_new(); }
void pml__deliver_clear(pml_node *n) { pml_resolver_free(n->deliver.resolver); }
void pml__deliver_failed(pml_node *n) { n->deliver.fails++; }

/* Marks the sessions of the uids that a push leaves out. Returns the mark; 0: none is left out. */
static uint32_t mark_except(pml_node *n, pml_slice except) {
  pml_uid uid;
  if (!except.n) return 0;
  if (++n->deliver.mark == 0) n->deliver.mark = 1;
  while (pml_uids_next(&except, &uid) > 0)
    for (pml_session *s = pml_sessions_by_uid(n->sessions, uid); s; s = s->uid_next)
      s->mark = n->deliver.mark;
  return n->deliver.mark;
}

static void to_session(pml_outgoing *o, pml_session *s, uint32_t mark) {
  if ((mark && s->mark == mark) || !s->sink) return;
  o->node->deliver.deliveries += pml__outgoing_send(o, s);
}

static void no_session(pml_node *n, pml_slice uids, pml_uidset *except, pml_writer *fails) {
  pml_uid uid;
  while (pml_uids_next(&uids, &uid) > 0) {
    if (pml_uidset_has(except, uid)) continue;
    n->deliver.fails++;
    if (fails) pml_uids_put(fails, uid);
  }
}

/* A thousand sessions do not fit into a core's cache: the next ones are fetched while one is
 * served. A session is fetched earlier than the connection that its sink points to. */
static void warm(pml_session *const *v, size_t n, size_t i) {
  if (i + 8 < n) __builtin_prefetch(v[i + 8]);
  if (i + 4 < n && v[i + 4]->sink) pml_sink_warm(v[i + 4]->sink);
}

/* Of a session that resumes the sink points to what is kept and to the connection. */
static void to_all_that_resume(pml_outgoing *o, pml_session *const *v, size_t n, uint32_t mark) {
  for (size_t i = 0; i < n; i++) {
    if (i + 12 < n) __builtin_prefetch(v[i + 12]);
    if (i + 8 < n && v[i + 8]->sink) pml_sink_warm(v[i + 8]->sink);
    if (i + 4 < n && v[i + 4]->resumes) pml__resume_warm(v[i + 4]->sink);
    to_session(o, v[i], mark);
  }
}

static void to_all(pml_outgoing *o, pml_session *const *v, size_t n, uint32_t mark) {
  if (o->node->resume.all) {
    to_all_that_resume(o, v, n, mark);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    warm(v, n, i);
    to_session(o, v[i], mark);
  }
}

void pml__deliver_sessions(pml_node *n, pml_session *const *v, size_t count, pml_slice except,
                           pml_buf *frame, pml_delivery how) {
  uint32_t mark = mark_except(n, except);
  pml_outgoing o;
  pml__outgoing_begin(&o, n, frame, how);
  to_all(&o, v, count, mark);
  pml__outgoing_end(&o);
}

void pml__deliver_uids(pml_node *n, pml_buf *block, pml_slice except, pml_buf *frame,
                       pml_delivery how, pml_writer *fails) {
  uint32_t mark = mark_except(n, except);
  pml_uidset left_out = {.list = except};
  pml_outgoing o;
  pml__outgoing_begin(&o, n, frame, how);
  const pml_resolved *known = pml_resolver_get(n->deliver.resolver, n->sessions, block);
  if (known) {
    to_all(&o, known->v, known->n, mark);
    no_session(n, known->fails, &left_out, fails);
    pml_uidset_fini(&left_out);
    pml__outgoing_end(&o);
    return;
  }
  pml_slice uids = pml_buf_slice(block), rest = uids;
  pml_uid uid;
  for (; pml_uids_next(&rest, &uid) > 0; uids = rest) {
    pml_session *s = pml_sessions_by_uid(n->sessions, uid);
    if (!s) no_session(n, pml_slice_of(uids.p, uids.n - rest.n), &left_out, fails);
    for (; s; s = s->uid_next) to_session(&o, s, mark);
  }
  pml_uidset_fini(&left_out);
  pml__outgoing_end(&o);
}

typedef struct {
  pml_node *node;
  pml_outgoing push;
  pml_slice param;
  pml_uidset except;
  uint32_t mark;
  int binded, filtered;
} broadcast;

/* A filter may push, and a push gives new marks: then the list itself is asked. */
static int is_left_out(broadcast *b, const pml_session *s) {
  if (!b->mark || !s->uid.s) return 0;
  return b->node->deliver.mark == b->mark ? s->mark == b->mark : pml_uidset_has(&b->except, s->uid);
}

static int broadcast_one(pml_session *s, void *ud) {
  broadcast *b = ud;
  pml_node *n = b->node;
  if (!s->sink || !s->ready || (b->binded && !s->uid.s) || is_left_out(b, s)) return 0;
  if (b->filtered && n->script.filter &&
      !n->script.filter(n->script.ud, s, pml_frame_body(b->push.plain), b->param))
    return 0;
  if (s->left) return 0; /* the filter has kicked it */
  n->deliver.deliveries += pml__outgoing_send(&b->push, s);
  return 0;
}

void pml__deliver_all(pml_node *n, int flags, pml_slice param, pml_slice except, pml_buf *frame,
                      pml_delivery how) {
  broadcast b = {
    .node = n,
    .param = param,
    .except = {.list = except},
    .mark = mark_except(n, except),
    .binded = (flags & PML_ENV_BINDED) != 0,
    .filtered = (flags & PML_ENV_FILTER) != 0,
  };
  pml__outgoing_begin(&b.push, n, frame, how);
  pml_sessions_each(n->sessions, broadcast_one, &b);
  pml__outgoing_end(&b.push);
  pml_uidset_fini(&b.except);
}

int pml__deliver_session(pml_node *n, pml_id session, pml_buf *frame, pml_delivery how) {
  pml_session *s = pml_sessions_get(n->sessions, session);
  if (!s || s->left) {
    n->deliver.fails++;
    return PML_ENOENT;
  }
  pml_outgoing o;
  pml__outgoing_begin(&o, n, frame, how);
  to_session(&o, s, 0);
  pml__outgoing_end(&o);
  return 0;
}

pml_delivery pml__deliver_how(const pml_envelope *env) {
  if (env->flags & PML_ENV_LATEST && env->identity)
    return (pml_delivery){env->identity, PML_LATEST};
  return (pml_delivery){0, env->flags & PML_ENV_DROP ? PML_DROP : PML_RELIABLE};
}

void pml__deliver_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *uids) {
  pml_writer fails = {0};
  if (!frame || frame->len <= PML_FRAME_ROOM) return;
  pml_delivery how = pml__deliver_how(env);
  if (env->kind == PML_ENV_PUSH)
    pml__deliver_uids(n, uids, env->param, frame, how, env->call ? &fails : NULL);
  else if (env->kind == PML_ENV_SEND) pml__deliver_session(n, env->session, frame, how);
  else pml__deliver_all(n, env->flags, env->param, pml_buf_slice(uids), frame, how);
  if (!env->call) return;
  pml_buf *b = pml_writer_finish(&fails);
  pml_rpc_answer_record(n->rpc, env, 0, b);
  pml_buf_unref(b);
}
