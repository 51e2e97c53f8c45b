#include "node/forward.h"

#include "base/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/credits.h"
#include "node/requests.h"
#include "node/state.h"
#include "wire/frame.h"

#define KEPT 1024  /* forwards that have ended and whose memory is used again */
#define POOLED 128 /* bytes of one of them; a forward with a longer route is freed */

const pml_counter pml__forward_counters[] = {
  PML_NODE_COUNTER("forwards", forwards.sent),
  PML_NODE_COUNTER("forwardFails", forwards.failed),
  {NULL, 0},
};

/* A request at another server. */
typedef struct {
  pml_node *node;
  pml_id session;
  uint32_t msg_id;
  uint16_t nto;
  uint8_t pooled;
  char text[]; /* to\0route\0 */
} forward;

static const char *route_of(const forward *f) { return f->text + f->nto + 1; }

static forward *forward_new(pml_node *n, const char *to, pml_slice route) {
  size_t nto = strlen(to), size = sizeof(forward) + nto + route.n + 2;
  int pooled = size <= POOLED;
  forward *f = pooled ? pml_pool_take(&n->forwards.pool) : pml_alloc(size);
  f->node = n;
  f->nto = (uint16_t)nto; /* a longer id than PML_SERVER_ID_MAX is no server's: it is not sent */
  f->pooled = (uint8_t)pooled;
  memcpy(f->text, to, nto + 1);
  pml_slice_copy(f->text + nto + 1, route);
  f->text[nto + 1 + route.n] = '\0';
  return f;
}

static void forward_free(forward *f) {
  if (f->pooled) pml_pool_give(&f->node->forwards.pool, f);
  else pml_free(f);
}

static void log_no_answer(const forward *f, pml_level level, int status, const pml_buf *body) {
  int has_text = status == 1 && body;
  pml_log_some(&f->node->log, level, "no answer from another server",
               "%s: no answer from server %s: %.*s", route_of(f), f->text,
               has_text ? (int)body->len : 64,
               has_text ? (const char *)body->data : pml_err_reason(status));
}

static void on_answer(int status, pml_buf *body, void *ud) {
  forward *f = ud;
  pml_node *n = f->node;
  pml_session *s = pml_sessions_get(n->sessions, f->session);
  int good = status == 0 && body && body->len > PML_FRAME_ROOM;
  if (!good) {
    n->forwards.failed++;
    /* When its client is gone as well, the answer is not missed. */
    if (status != PML_ECLOSED) log_no_answer(f, s ? PML_ERROR : PML_DEBUG, status, body);
  }
  n->forwards.open--;
  if (s) {
    s->in_flight--;
    pml_slice route = pml_slice_str(route_of(f));
    if (!good) pml__requests_refuse(n, s, f->msg_id, route);
    else if (s->sink) pml__transcode_respond(n, s, route, body);
    pml__moves_answered(n, s);
  }
  forward_free(f);
}

typedef struct {
  void (*fn)(const char *route, void *ud);
  void *ud;
} route_fn;

static void call_with_route(void *call, void *ud) {
  const route_fn *to = ud;
  to->fn(route_of(call), to->ud);
}

void pml_forward_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud) {
  route_fn to = {fn, ud};
  if (n->rpc) pml_rpc_expire(n->rpc, on_answer, call_with_route, &to);
}

int pml__forward_send(pml_node *n, pml_session *s, const pml_message_view *m, const char *to) {
  pml_envelope env = {
    .kind = PML_ENV_FORWARD,
    .flags = m->gzip ? PML_ENV_GZIP : 0,
    .msg_type = m->id ? PML_MSG_REQUEST : PML_MSG_NOTIFY,
    .msg_id = m->id,
    .session = s->id,
    .route = m->route,
    .uid = s->uid,
    .settings = pml_buf_slice(s->settings),
    .param = m->body,
  };
  if (!n->rpc) return PML_ENOENT;
  n->forwards.sent++;
  if (!m->id) {
    env.msg_id = pml__credits_epoch(&n->credits);
    int sent = pml_rpc_cast(n->rpc, to, &env, NULL, NULL);
    if (!sent) pml__credits_sent(n, s);
    return sent;
  }
  forward *f = forward_new(n, to, m->route);
  f->session = s->id;
  f->msg_id = m->id;
  int rc = pml_rpc_call(n->rpc, to, &env, NULL, NULL, n->config.forward_ms, on_answer, f, NULL);
  if (rc) {
    forward_free(f);
    return rc;
  }
  s->in_flight++;
  n->forwards.open++;
  return 0;
}

void pml__forward_note_sent(pml_node *n) { n->forwards.sent++; }
void pml__forward_note_failed(pml_node *n) { n->forwards.failed++; }

void pml__forward_refuse(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route) {
  n->forwards.failed++;
  pml__requests_refuse(n, s, msg_id, route);
}

void pml__forward_fail(pml_node *n, pml_session *s, const pml_message_view *m, const char *why) {
  pml_log_some(&n->log, PML_ERROR, "undeliverable messages", "%.*s: %s", (int)m->route.n,
               (const char *)m->route.p, why);
  pml__forward_refuse(n, s, m->id, m->route);
}

size_t pml__forward_count(const pml_node *n) { return n->forwards.open; }

void pml__forward_init(pml_node *n) { pml_pool_init(&n->forwards.pool, POOLED, KEPT); }
void pml__forward_clear(pml_node *n) { pml_pool_clear(&n->forwards.pool); }
