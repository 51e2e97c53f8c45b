#include "node/push.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/uidset.h"
#include "node/state.h"
#include "node/resolve.h"
#include "wire/frame.h"

/* --- receivers on this server ------------------------------------------------ */

/* Marks the sessions of the uids that a push leaves out; the mark is the push's own. */
static uint32_t mark_except(pml_node *n, pml_slice except) {
  pml_uid uid;
  if (!except.n) return 0;
  if (++n->push_mark == 0) n->push_mark = 1;
  while (pml_uids_next(&except, &uid) > 0)
    for (pml_session *s = pml_sessions_by_uid(n->sessions, uid); s; s = s->uid_next)
      s->mark = n->push_mark;
  return n->push_mark;
}

static void to_session(pml_node *n, pml_session *s, uint32_t mark, pml_buf *frame) {
  if ((mark && s->mark == mark) || !s->sink) return;
  n->counts.deliveries++;
  pml_sink_send(s->sink, frame);
}

static void no_session(pml_node *n, pml_slice uids, pml_uidset *except, pml_writer *fails) {
  pml_uid uid;
  while (pml_uids_next(&uids, &uid) > 0) {
    if (pml_uidset_has(except, uid)) continue;
    n->counts.push_fails++;
    if (fails) pml_uids_put(fails, uid);
  }
}

/* A thousand sessions are more than a core keeps near: those that come next are fetched while
 * one is served. A session is there before what its sink points to is. */
static void warm(const pml_resolved *known, size_t i) {
  if (i + 8 < known->n) __builtin_prefetch(known->v[i + 8]);
  if (i + 4 < known->n && known->v[i + 4]->sink) pml_sink_warm(known->v[i + 4]->sink);
}

/* Queues the frame to every session of the uids; those without one go to fails (may be NULL). */
static void deliver(pml_node *n, pml_buf *block, pml_slice except, pml_buf *frame,
                    pml_writer *fails) {
  uint32_t mark = mark_except(n, except);
  pml_uidset left_out = {.list = except};
  const pml_resolved *known = pml_resolver_get(n->resolver, n->sessions, block);
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

/* A filter may push, and that marks anew: then the list itself is asked. */
static int is_left_out(broadcast *b, const pml_session *s) {
  if (!b->mark || !s->uid.s) return 0;
  return b->node->push_mark == b->mark ? s->mark == b->mark : pml_uidset_has(&b->except, s->uid);
}

static int broadcast_one(pml_session *s, void *ud) {
  broadcast *b = ud;
  pml_node *n = b->node;
  if (!s->sink || !s->ready || (b->binded && !s->uid.s) || is_left_out(b, s)) return 0;
  if (b->filtered && n->script.filter &&
      !n->script.filter(n->script.ud, s, pml_frame_body(b->frame), b->param))
    return 0;
  if (s->left) return 0; /* the filter has kicked it */
  n->counts.deliveries++;
  pml_sink_send(s->sink, b->frame);
  return 0;
}

static void broadcast_here(pml_node *n, int flags, pml_slice param, pml_slice except,
                           pml_buf *frame) {
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

void pml_push_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *uids) {
  pml_writer fails = {0};
  if (!frame || frame->len <= PML_FRAME_ROOM) return;
  if (env->kind == PML_ENV_PUSH) deliver(n, uids, env->param, frame, env->call ? &fails : NULL);
  else broadcast_here(n, env->flags, env->param, pml_buf_slice(uids), frame);
  if (!env->call) return;
  pml_buf *b = pml_writer_finish(&fails);
  char *from = pml_strndup((const char *)env->from.p, env->from.n);
  pml_rpc_answer(n->rpc, from, env->from_incarnation, env->call, 0, b);
  pml_free(from);
  pml_buf_unref(b);
}

/* --- acknowledgements ---------------------------------------------------------- */

/* One push whose caller wants to know. It ends when every frontend answered or failed. */
typedef struct {
  pml_task ended; /* tells the scripts at the end of the turn, never from inside the push */
  pml_node *node;
  pml_id id;
  size_t open, good, bad; /* frontends: asked, answered, failed */
  pml_writer fails;
  int is_broadcast;
} gather;

/* One frontend asked. */
typedef struct {
  gather *of;
  pml_buf *uids, *except; /* to name those who were not reached */
} ask;

static void fail_all(gather *g, pml_slice uids, pml_slice except) {
  pml_uid uid;
  pml_uidset left_out = {.list = except};
  while (pml_uids_next(&uids, &uid) > 0)
    if (!pml_uidset_has(&left_out, uid)) pml_uids_put(&g->fails, uid);
  pml_uidset_fini(&left_out);
}

static void gather_end(pml_task *t) {
  gather *g = PML_CONTAINER(t, gather, ended);
  pml_node *n = g->node;
  const char *message = NULL;
  if (g->bad && !g->good)
    message = g->is_broadcast ? "broadcast fails" : "all uids push message fail";
  pml_buf *fails = pml_writer_finish(&g->fails);
  pml_id id = g->id;
  pml_slots_take(n->pushes, id);
  pml_free(g);
  if (n->script.on_pushed) n->script.on_pushed(n->script.ud, id, message, pml_buf_slice(fails));
  pml_buf_unref(fails);
}

static void gather_check(gather *g) {
  if (g->open == 0) pml_loop_defer(g->node->loop, &g->ended);
}

static void asked_end(int status, pml_buf *body, void *ud) {
  ask *a = ud;
  gather *g = a->of;
  g->open--;
  if (status == 0) {
    g->good++;
    if (body) pml_writer_put(&g->fails, body->data, body->len);
  } else {
    g->bad++;
    if (a->uids) fail_all(g, pml_buf_slice(a->uids), pml_buf_slice(a->except));
  }
  pml_buf_unref(a->uids);
  pml_buf_unref(a->except);
  pml_free(a);
  gather_check(g);
}

static gather *gather_new(pml_node *n, int is_broadcast) {
  gather *g = pml_alloc0(sizeof *g);
  pml_task_init(&g->ended, gather_end);
  g->node = n;
  g->is_broadcast = is_broadcast;
  g->id = pml_slots_put(n->pushes, g);
  if (!g->id) {
    pml_free(g);
    return NULL;
  }
  return g;
}

static void gather_free(void *obj, pml_node *n) {
  (void)n;
  gather *g = obj;
  pml_task_cancel(&g->ended);
  pml_writer_drop(&g->fails);
  pml_free(g);
}

void pml_push_clear(pml_node *n) { pml__node_empty(n->pushes, gather_free, n); }

/* --- sending ----------------------------------------------------------------------- */

/* One push on its way to one frontend after the other. */
typedef struct {
  pml_node *node;
  pml_envelope env;
  pml_buf *frame, *except_block;
  pml_slice except;
  uint32_t ms;
  gather *gather; /* NULL: nobody wants to know */
} job;

static void to_frontend(job *j, const char *sid, pml_buf *uids) {
  pml_node *n = j->node;
  if (strcmp(sid, n->id) == 0 && n->frontend) {
    if (j->gather) j->gather->good++;
    if (j->env.kind == PML_ENV_PUSH)
      deliver(n, uids, j->except, j->frame, j->gather ? &j->gather->fails : NULL);
    else broadcast_here(n, j->env.flags, j->env.param, j->except, j->frame);
    return;
  }
  int rc = PML_ENOENT;
  pml_buf *extra = j->env.kind == PML_ENV_PUSH ? uids : j->except_block;
  if (n->rpc && !j->gather) {
    rc = pml_rpc_cast(n->rpc, sid, &j->env, j->frame, extra);
  } else if (n->rpc) {
    ask *a = pml_alloc0(sizeof *a);
    a->of = j->gather;
    a->uids = pml_buf_ref(uids);
    a->except = pml_buf_ref(j->except_block);
    rc = pml_rpc_call(n->rpc, sid, &j->env, j->frame, extra, j->ms, asked_end, a, NULL);
    if (rc == 0) {
      j->gather->open++;
    } else {
      pml_buf_unref(a->uids);
      pml_buf_unref(a->except);
      pml_free(a);
    }
  }
  if (rc == 0) {
    n->counts.push_records++;
    return;
  }
  n->counts.push_fails++;
  pml_log_some(&n->log, PML_DEBUG, "pushes that were not sent",
               "a push to server %s was not sent: %s", sid, pml_err_reason(rc));
  if (!j->gather) return;
  j->gather->bad++;
  if (uids) fail_all(j->gather, pml_buf_slice(uids), j->except);
}

static int job_begin(job *j, pml_node *n, int kind, pml_buf *frame, pml_slice except, uint32_t ms,
                     pml_id *push) {
  *j = (job){.node = n, .frame = frame, .except = except, .ms = ms, .env = {.kind = (uint8_t)kind}};
  *push = 0;
  if (kind == PML_ENV_PUSH) j->env.param = except;
  if (except.n) j->except_block = pml_buf_from(except.p, except.n);
  if (ms && !(j->gather = gather_new(n, kind == PML_ENV_BROADCAST))) {
    pml_buf_unref(j->except_block);
    return PML_EFULL;
  }
  n->counts.pushes++;
  return 0;
}

static void job_end(job *j, pml_id *push) {
  pml_buf_unref(j->except_block);
  if (!j->gather) return;
  *push = j->gather->id;
  gather_check(j->gather);
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
