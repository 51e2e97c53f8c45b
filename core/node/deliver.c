#include "node/deliver.h"

#include "base/uidset.h"
#include "node/resolve.h"
#include "node/state.h"
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

static void to_session(pml_node *n, pml_session *s, uint32_t mark, pml_buf *frame) {
  if ((mark && s->mark == mark) || !s->sink) return;
  n->deliver.deliveries++;
  pml_sink_send(s->sink, frame);
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
static void warm(const pml_resolved *known, size_t i) {
  if (i + 8 < known->n) __builtin_prefetch(known->v[i + 8]);
  if (i + 4 < known->n && known->v[i + 4]->sink) pml_sink_warm(known->v[i + 4]->sink);
}

void pml__deliver_uids(pml_node *n, pml_buf *block, pml_slice except, pml_buf *frame,
                       pml_writer *fails) {
  uint32_t mark = mark_except(n, except);
  pml_uidset left_out = {.list = except};
  const pml_resolved *known = pml_resolver_get(n->deliver.resolver, n->sessions, block);
  if (known) {
    for (size_t i = 0; i < known->n; i++) {
      warm(known, i);
      to_session(n, known->v[i], mark, frame);
    }
    no_session(n, known->fails, &left_out, fails);
    pml_uidset_fini(&left_out);
    return;
  }
  pml_slice uids = pml_buf_slice(block), rest = uids;
  pml_uid uid;
  for (; pml_uids_next(&rest, &uid) > 0; uids = rest) {
    pml_session *s = pml_sessions_by_uid(n->sessions, uid);
    if (!s) no_session(n, pml_slice_of(uids.p, uids.n - rest.n), &left_out, fails);
    for (; s; s = s->uid_next) to_session(n, s, mark, frame);
  }
  pml_uidset_fini(&left_out);
}

typedef struct {
  pml_node *node;
  pml_buf *frame;
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
      !n->script.filter(n->script.ud, s, pml_frame_body(b->frame), b->param))
    return 0;
  if (s->left) return 0; /* the filter has kicked it */
  n->deliver.deliveries++;
  pml_sink_send(s->sink, b->frame);
  return 0;
}

void pml__deliver_all(pml_node *n, int flags, pml_slice param, pml_slice except, pml_buf *frame) {
  broadcast b = {
    .node = n,
    .frame = frame,
    .param = param,
    .except = {.list = except},
    .mark = mark_except(n, except),
    .binded = (flags & PML_ENV_BINDED) != 0,
    .filtered = (flags & PML_ENV_FILTER) != 0,
  };
  pml_sessions_each(n->sessions, broadcast_one, &b);
  pml_uidset_fini(&b.except);
}

void pml__deliver_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *uids) {
  pml_writer fails = {0};
  if (!frame || frame->len <= PML_FRAME_ROOM) return;
  if (env->kind == PML_ENV_PUSH)
    pml__deliver_uids(n, uids, env->param, frame, env->call ? &fails : NULL);
  else pml__deliver_all(n, env->flags, env->param, pml_buf_slice(uids), frame);
  if (!env->call) return;
  pml_buf *b = pml_writer_finish(&fails);
  pml_rpc_answer_record(n->rpc, env, 0, b);
  pml_buf_unref(b);
}
