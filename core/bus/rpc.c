#include "bus/rpc.h"

#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/pool.h"
#include "loop/loop.h"

#include <assert.h>

#define POOL_MAX 1024  /* ended calls kept for new ones */
#define HEAD_KEPT 4096 /* bytes of a head whose room is kept for the next */

typedef struct {
  UT_hash_handle hh;
  uint64_t incarnation;
  pml_list calls; /* waiting for this server */
  size_t waiting; /* how many */
  size_t n;
  char id[];
} peer;

typedef struct {
  pml_timer deadline;
  pml_list node; /* in its peer's calls */
  pml_rpc *rpc;
  peer *peer;
  pml_id id;
  pml_rpc_on_answer_fn on_answer;
  void *ud;
} call;

struct pml_rpc {
  pml_loop *l;
  pml_transport *t; /* borrowed; NULL: nothing can be sent */
  uint64_t incarnation;
  pml_rpc_events ev;
  pml_slots *slots; /* of call */
  size_t limit;
  peer *peers;     /* includes oneself while there is a transport */
  pml_pool pool;   /* of call */
  pml_writer head; /* of the record that is being sent */
  pml_rpc_counts counts;
  int closed;
  char self[];
};

static peer *peer_find(const pml_rpc *r, const char *id) {
  size_t n = strlen(id);
  peer *p;
  HASH_FIND_BYHASHVALUE(hh, r->peers, id, n, pml_hash_ours(id, n), p);
  return p;
}

static void peer_add(pml_rpc *r, const char *id, uint64_t incarnation) {
  if (peer_find(r, id)) return;
  size_t n = strlen(id);
  peer *p = pml_alloc(sizeof *p + n + 1);
  p->n = n;
  p->incarnation = incarnation;
  memcpy(p->id, id, n + 1);
  pml_list_init(&p->calls);
  p->waiting = 0;
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, r->peers, p->id, n, pml_hash_ours(id, n), p);
}

/* The call is removed completely before its owner hears of the end: the owner may call again. */
static void call_end(call *c, int status, pml_buf *body) {
  pml_rpc *r = c->rpc;
  pml_rpc_on_answer_fn on_answer = c->on_answer;
  void *ud = c->ud;
  pml_timer_stop(r->l, &c->deadline);
  pml_slots_take(r->slots, c->id);
  pml_list_remove(&c->node);
  c->peer->waiting--;
  pml_pool_give(&r->pool, c);
  on_answer(status, body, ud);
}

static void on_deadline(pml_timer *t) {
  call *c = PML_CONTAINER(t, call, deadline);
  c->rpc->counts.timeouts++;
  call_end(c, PML_ETIMEOUT, NULL);
}

static call *call_new(pml_rpc *r) {
  call *c = pml_pool_take(&r->pool);
  pml_timer_init(&c->deadline, on_deadline);
  pml_list_init(&c->node);
  c->rpc = r;
  return c;
}

/* Ends the calls of that list, which may not grow meanwhile. */
static void calls_fail(pml_rpc *r, pml_list *calls, int status) {
  while (!pml_list_empty(calls)) {
    if (status == PML_ENOENT) r->counts.lost++;
    call_end(PML_CONTAINER(calls->next, call, node), status, NULL);
  }
}

/* Its calls fail; then it is forgotten. Nobody can find it meanwhile. */
static void peer_remove(pml_rpc *r, peer *p, int status) {
  HASH_DELETE(hh, r->peers, p);
  calls_fail(r, &p->calls, status);
  pml_free(p);
}

/* An answer counts only when it comes from the server that was asked: its call hangs at the peer
 * in the incarnation that was asked, and ends with it. */
static void answer_take(pml_rpc *r, const peer *from, const pml_envelope *env, pml_buf *body) {
  call *c = pml_slots_get(r->slots, env->call);
  if (!c || c->peer != from) {
    r->counts.late++;
    return;
  }
  r->counts.answers++;
  call_end(c, env->status != 0, body);
}

static void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  pml_rpc *r = ud;
  pml_envelope env;
  if (pml_envelope_read(head, &env)) {
    r->counts.bad++;
    return;
  }
  env.from = pml_slice_str(from); /* the sender that the transport names, not the one in the head */
  const peer *p = peer_find(r, from);
  if (!p || p->incarnation != env.from_incarnation || env.to_incarnation != r->incarnation) {
    r->counts.strayed++;
    return;
  }
  if (env.kind == PML_ENV_ANSWER) {
    answer_take(r, p, &env, body);
  } else {
    r->ev.on_request(&env, body, extra, r->ev.ud);
  }
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  pml_rpc *r = ud;
  if (up) {
    peer_add(r, id, incarnation);
  } else {
    peer *p = peer_find(r, id);
    if (p) peer_remove(r, p, PML_ENOENT);
  }
  if (r->ev.on_peer) r->ev.on_peer(id, incarnation, up, r->ev.ud);
}

/* What waits now fails; the server stays. Calls that are begun meanwhile are not among them. */
static void on_away(const char *id, uint64_t incarnation, void *ud) {
  pml_rpc *r = ud;
  peer *p = peer_find(r, id);
  if (!p || p->incarnation != incarnation) return;
  pml_list waiting;
  pml_list_move(&waiting, &p->calls);
  calls_fail(r, &waiting, PML_ENOENT);
  if (r->ev.on_loss) r->ev.on_loss(id, 0, r->ev.ud);
}

static void on_gap(const char *id, uint64_t incarnation, void *ud) {
  pml_rpc *r = ud;
  const peer *p = peer_find(r, id);
  if (p && p->incarnation == incarnation && r->ev.on_loss) r->ev.on_loss(id, 1, r->ev.ud);
}

pml_rpc *pml_rpc_new(pml_loop *l, const char *self, size_t limit, pml_slot_floor *floor,
                     const pml_rpc_events *ev) {
  size_t n = strlen(self);
  pml_slots *slots = pml_slots_new(floor);
  if (!slots) return NULL;
  pml_rpc *r = pml_alloc0(sizeof *r + n + 1);
  r->l = l;
  r->ev = *ev;
  r->slots = slots;
  r->limit = limit;
  pml_pool_init(&r->pool, sizeof(call), POOL_MAX);
  memcpy(r->self, self, n + 1);
  return r;
}

void pml_rpc_free(pml_rpc *r) {
  if (!r) return;
  r->closed = 1; /* calls from here on are refused */
  while (r->peers) peer_remove(r, r->peers, PML_ECLOSED);
  assert(pml_slots_count(r->slots) == 0); /* ours: every call waits for a peer */
  pml_pool_clear(&r->pool);
  pml_writer_drop(&r->head);
  pml_slots_free(r->slots);
  pml_free(r);
}

pml_transport_events pml_rpc_transport_events(pml_rpc *r) {
  return (pml_transport_events){
    .on_record = on_record, .on_peer = on_peer, .ud = r, .on_away = on_away, .on_gap = on_gap};
}

void pml_rpc_use(pml_rpc *r, pml_transport *t) {
  r->t = t;
  if (t) {
    r->incarnation = t->incarnation;
    peer_add(r, r->self, t->incarnation);
    return;
  }
  peer *p = peer_find(r, r->self);
  if (p) peer_remove(r, p, PML_ENOENT);
}

static int envelope_send(pml_rpc *r, const peer *to, pml_envelope *env, pml_buf *body,
                         pml_buf *extra) {
  env->from_incarnation = r->incarnation;
  env->to_incarnation = to->incarnation;
  env->from = (pml_slice){0}; /* the transport names it */
  pml_envelope_put(&r->head, env);
  pml_slice head = pml_slice_of(pml_writer_at(&r->head, 0), r->head.len);
  /* A credit is owed like an answer: there is at most one for each notify that was taken. */
  int flags = env->kind == PML_ENV_ANSWER || env->kind == PML_ENV_CREDIT ? PML_SEND_OWED
              : env->ms                                                  ? PML_SEND_ASKS
                                                                         : 0;
  uint64_t series = flags & PML_SEND_OWED ? 0 : env->series;
  int rc = r->t->send(r->t, to->id, head, body, extra, series, flags);
  if (head.n > HEAD_KEPT) pml_writer_drop(&r->head);
  else pml_writer_cut(&r->head, 0);
  return rc;
}

static int call_send(pml_rpc *r, call *c, pml_envelope *env, pml_buf *body, pml_buf *extra) {
  c->id = pml_slots_put(r->slots, c);
  if (!c->id) return PML_EFULL;
  env->call = c->id;
  int rc = envelope_send(r, c->peer, env, body, extra);
  if (rc) pml_slots_take(r->slots, c->id);
  return rc;
}

static int call_start(pml_rpc *r, const char *to, pml_envelope *env, pml_buf *body, pml_buf *extra,
                      call **out) {
  if (r->closed || !r->t) return PML_ECLOSED;
  if (pml_slots_count(r->slots) >= r->limit) return PML_EFULL;
  peer *p = peer_find(r, to);
  if (!p) return PML_ENOENT;
  call *c = call_new(r);
  c->peer = p;
  int rc = call_send(r, c, env, body, extra);
  if (rc) {
    pml_pool_give(&r->pool, c);
    return rc;
  }
  pml_list_append(&p->calls, &c->node);
  p->waiting++;
  *out = c;
  return 0;
}

int pml_rpc_call(pml_rpc *r, const char *to, pml_envelope *env, pml_buf *body, pml_buf *extra,
                 uint32_t ms, pml_rpc_on_answer_fn on_answer, void *ud, pml_id *id) {
  call *c;
  env->ms = ms ? ms : 1; /* 0 would say that no answer is wanted */
  int rc = call_start(r, to, env, body, extra, &c);
  if (rc) {
    r->counts.refused++;
    return rc;
  }
  r->counts.calls++;
  c->on_answer = on_answer;
  c->ud = ud;
  pml_timer_start(r->l, &c->deadline, env->ms);
  if (id) *id = c->id;
  return 0;
}

int pml_rpc_cast(pml_rpc *r, const char *to, pml_envelope *env, pml_buf *body, pml_buf *extra) {
  env->call = 0;
  env->ms = 0;
  const peer *p = peer_find(r, to);
  int rc = r->closed || !r->t ? PML_ECLOSED
           : p                ? envelope_send(r, p, env, body, extra)
                              : PML_ENOENT;
  if (rc) r->counts.refused++;
  return rc;
}

int pml_rpc_answer(pml_rpc *r, const char *to, uint64_t incarnation, uint64_t id, int status,
                   pml_buf *body) {
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = id, .status = status != 0};
  if (r->closed || !r->t) return PML_ECLOSED;
  const peer *p = peer_find(r, to);
  if (!p || p->incarnation != incarnation) {
    r->counts.strayed++;
    return PML_ENOENT;
  }
  return envelope_send(r, p, &env, body, NULL);
}

int pml_rpc_answer_record(pml_rpc *r, const pml_envelope *env, int status, pml_buf *body) {
  char from[PML_SERVER_ID_MAX + 1];
  if (env->from.n > PML_SERVER_ID_MAX) return PML_ENOENT;
  pml_slice_copy(from, env->from);
  from[env->from.n] = '\0';
  return pml_rpc_answer(r, from, env->from_incarnation, env->call, status, body);
}

void pml_rpc_refuse(pml_rpc *r, const pml_envelope *env, const char *text) {
  if (!env->call) return;
  pml_buf *b = pml_buf_from(text, strlen(text));
  pml_rpc_answer_record(r, env, 1, b);
  pml_buf_unref(b);
}

uint64_t pml_rpc_incarnation(const pml_rpc *r, const char *id) {
  const peer *p = peer_find(r, id);
  return p ? p->incarnation : 0;
}

int pml_rpc_alive(const pml_rpc *r, const char *id) { return peer_find(r, id) != NULL; }
size_t pml_rpc_waiting(const pml_rpc *r) { return pml_slots_count(r->slots); }

size_t pml_rpc_waiting_for(const pml_rpc *r, const char *id) {
  peer *p = peer_find(r, id);
  return p ? p->waiting : 0;
}

void pml_rpc_expire(pml_rpc *r, pml_rpc_on_answer_fn on_answer, void (*fn)(void *call, void *ud),
                    void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (call *c; (c = pml_slots_next(r->slots, &at, &id));) {
    if (c->on_answer != on_answer) continue;
    fn(c->ud, ud);
    on_deadline(&c->deadline);
  }
}

void pml_rpc_each_peer(pml_rpc *r, void (*fn)(const char *id, void *ud), void *ud) {
  peer *p, *next;
  HASH_ITER (hh, r->peers, p, next) fn(p->id, ud);
}

const pml_rpc_counts *pml_rpc_counters(const pml_rpc *r) { return &r->counts; }
