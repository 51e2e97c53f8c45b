#include "node/frontend.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/state.h"
#include "node/requests.h"
#include "wire/frame.h"

#include <stdio.h>

#define FORWARDS_KEPT 1024 /* ended ones, for new ones */
#define FORWARD_POOLED 128 /* bytes of one that is kept; a longer route is an exception */

/* --- clients --------------------------------------------------------------- */

/* Stands behind the peer. */
typedef struct {
  pml_sink sink;
  pml_session *session; /* NULL: there was no place for it */
} client;

static void client_send(pml_sink *s, pml_buf *frame) { pml_peer_send(pml_peer_of_user(s), frame); }
static void client_close(pml_sink *s, pml_slice reason) {
  pml_peer_close(pml_peer_of_user(s), reason);
}
static void client_leave(pml_sink *s, pml_slice reason) {
  pml_peer_leave(pml_peer_of_user(s), reason);
}
static void client_address(pml_sink *s, char ip[46], int *port) {
  pml_conn_address(pml_peer_conn(pml_peer_of_user(s)), ip, port);
}

static const pml_sink_calls client_calls = {client_send, client_close, client_leave,
                                            client_address};

static void on_open(pml_peer *p, pml_peer_host *h) {
  pml_node *n = h->ud;
  client *c = pml_peer_user(p);
  c->sink.calls = &client_calls;
  c->session = pml_sessions_open(n->sessions, &c->sink);
  if (!c->session) pml_peer_close(p, pml_slice_str(NULL));
}

static void on_handshake(pml_peer *p, pml_slice body, pml_peer_host *h) {
  pml_node *n = h->ud;
  client *c = pml_peer_user(p);
  if (c->session && n->script.on_handshake)
    n->script.on_handshake(n->script.ud, c->session->id, body);
}

static void on_working(pml_peer *p, pml_peer_host *h) {
  (void)h;
  client *c = pml_peer_user(p);
  if (c->session) c->session->ready = 1;
}

static int on_data(pml_peer *p, pml_slice body, pml_peer_host *h) {
  client *c = pml_peer_user(p);
  return c->session ? pml_frontend_data(h->ud, c->session, body) : 0;
}

static pml_close_reason reason_of(const pml_peer_end *end) {
  pml_close_reason r = {.kind = PML_CLOSE_TEXT, .text = pml_slice_str(pml_end_name(end->why))};
  if (end->why == PML_END_ASKED) {
    r.text = end->reason;
    if (!r.text.p) r.kind = PML_CLOSE_NIL;
  } else if (end->why == PML_END_PEER || end->why == PML_END_ERROR) {
    r.kind = end->is_ws ? PML_CLOSE_CODE : PML_CLOSE_FLAG;
    r.code =
      end->is_ws ? (end->why == PML_END_PEER ? end->ws_code : 1006) : end->why == PML_END_ERROR;
  }
  return r;
}

static void on_end(pml_peer *p, const pml_peer_end *end, pml_peer_host *h) {
  client *c = pml_peer_user(p);
  pml_close_reason why = reason_of(end);
  if (c->session) pml_frontend_closed(h->ud, c->session, &why);
}

pml_conn_hooks pml_frontend_hooks(void) { return pml_peer_hooks(sizeof(client)); }

void pml_frontend_init(pml_node *n) {
  n->host.on_open = on_open;
  n->host.on_handshake = on_handshake;
  n->host.on_working = on_working;
  n->host.on_data = on_data;
  n->host.on_end = on_end;
  n->host.ud = n;
  pml_pool_init(&n->forward_pool, FORWARD_POOLED, FORWARDS_KEPT);
}

void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason) {
  if (s->left) return;
  pml_sessions_leave(n->sessions, s);
  n->leaving++;
  if (s->sink) pml_sink_close(s->sink, reason);
}

void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why) {
  if (s->left) n->leaving--;
  if (!s->wants_closed || !n->script.on_closed) {
    pml_sessions_close(n->sessions, s);
    pml__node_session_ended(n);
    return;
  }
  /* Out of the tables first, so that whoever asks for it is told that it is gone;
   * what it was is still to be read (protocol 12.3). */
  pml_session was = *s;
  was.sink = NULL;
  was.uid_next = NULL;
  was.settings = pml_buf_ref(s->settings);
  was.uid.s = s->uid.s ? pml_strndup(s->uid.s, s->uid.n) : NULL;
  pml_sessions_close(n->sessions, s);
  n->script.on_closed(n->script.ud, &was, why);
  pml_buf_unref(was.settings);
  pml_free((char *)(uintptr_t)was.uid.s);
  pml__node_session_ended(n);
}

int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json) {
  pml_session *s = pml_sessions_get(n->sessions, session);
  if (!s || !s->sink || s->sink->calls != &client_calls) return PML_ENOENT;
  pml_peer_handshake(pml_peer_of_user(s->sink), code, json);
  return 0;
}

/* --- answers without a handler ----------------------------------------------- */

static void answer_500(pml_session *s, uint32_t msg_id) {
  if (!msg_id || !s->sink) return;
  pml_buf *frame = pml_requests_error_frame(msg_id);
  pml_sink_send(s->sink, frame);
  pml_buf_unref(frame);
}

/* --- forwarding ---------------------------------------------------------------- */

typedef struct {
  pml_node *node;
  pml_id session;
  uint32_t msg_id;
  uint16_t nto;
  uint8_t pooled;
  char text[]; /* to\0route\0 */
} forward;

static forward *forward_new(pml_node *n, const char *to, pml_slice route) {
  size_t nto = strlen(to), size = sizeof(forward) + nto + route.n + 2;
  int pooled = size <= FORWARD_POOLED;
  forward *f = pooled ? pml_pool_take(&n->forward_pool) : pml_alloc(size);
  f->node = n;
  f->nto = (uint16_t)nto; /* ids of servers have 63 bytes at most; others are not found */
  f->pooled = (uint8_t)pooled;
  memcpy(f->text, to, nto + 1);
  memcpy(f->text + nto + 1, route.p, route.n);
  f->text[nto + 1 + route.n] = '\0';
  return f;
}

static void forward_free(forward *f) {
  if (f->pooled) pml_pool_give(&f->node->forward_pool, f);
  else pml_free(f);
}

static void forward_end(int status, pml_buf *body, void *ud) {
  forward *f = ud;
  pml_node *n = f->node;
  pml_session *s = pml_sessions_get(n->sessions, f->session);
  int good = status == 0 && body && body->len > PML_FRAME_ROOM;
  if (!good) {
    n->counts.forward_fails++;
    /* When its client is gone as well, nobody misses the answer. */
    if (status != PML_ECLOSED)
      pml_log_some(&n->log, s ? PML_ERROR : PML_DEBUG, "no answer from another server",
                   "%s: no answer from server %s: %.*s", f->text + f->nto + 1, f->text,
                   status == 1 && body ? (int)body->len : 64,
                   status == 1 && body ? (const char *)body->data : pml_err_reason(status));
  }
  n->forwards_open--;
  if (s) {
    s->in_flight--;
    if (good && s->sink) pml_sink_send(s->sink, body);
    else answer_500(s, f->msg_id);
  }
  forward_free(f);
}

typedef struct {
  void (*fn)(const char *route, void *ud);
  void *ud;
} route_fn;

static void tell_route(void *call, void *ud) {
  const forward *f = call;
  const route_fn *to = ud;
  to->fn(f->text + f->nto + 1, to->ud);
}

void pml_forwards_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud) {
  route_fn to = {fn, ud};
  if (n->rpc) pml_rpc_expire(n->rpc, forward_end, tell_route, &to);
}

/* Sends a message on; its body is not looked at. */
static int send_on(pml_node *n, pml_session *s, const pml_message_view *m, const char *to) {
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
  n->counts.forwards++;
  if (!m->id) return pml_rpc_cast(n->rpc, to, &env, NULL, NULL);
  forward *f = forward_new(n, to, m->route);
  f->session = s->id;
  f->msg_id = m->id;
  int rc = pml_rpc_call(n->rpc, to, &env, NULL, NULL, n->config.forward_ms, forward_end, f, NULL);
  if (rc) {
    forward_free(f);
    return rc;
  }
  s->in_flight++;
  n->forwards_open++;
  return rc;
}

static void forward_failed(pml_node *n, pml_session *s, const pml_message_view *m,
                           const char *why) {
  n->counts.forward_fails++;
  pml_log_some(&n->log, PML_ERROR, "undeliverable messages", "%.*s: %s", (int)m->route.n,
               (const char *)m->route.p, why);
  answer_500(s, m->id);
}

/* --- messages that wait for the scripts to name a server ------------------------ */

typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id, session;
  pml_buf *body;
  uint32_t msg_id;
  uint8_t gzip, nroute;
  char route[PML_MSG_ROUTE_MAX + 1];
} pending;

static void pending_free(void *obj, pml_node *n) {
  pending *p = obj;
  pml_timer_stop(n->loop, &p->timer);
  pml_buf_unref(p->body);
  pml_free(p);
}

static void pending_late(pml_timer *t) {
  pending *p = PML_CONTAINER(t, pending, timer);
  pml_frontend_forward(p->node, p->id, NULL);
}

/* While it waits a notify counts as in flight, too: it holds memory. */
static void ask_script(pml_node *n, pml_session *s, const pml_message_view *m, pml_slice type) {
  if (s->in_flight >= n->config.max_in_flight) {
    n->counts.over_in_flight++;
    return;
  }
  pending *p = pml_alloc0(sizeof *p);
  p->node = n;
  p->session = s->id;
  p->msg_id = m->id;
  p->gzip = m->gzip;
  p->nroute = (uint8_t)m->route.n;
  memcpy(p->route, m->route.p, m->route.n);
  p->id = pml_slots_put(n->pending, p);
  if (!p->id) {
    pml_free(p);
    forward_failed(n, s, m, "too many messages wait for a route");
    return;
  }
  p->body = pml_buf_from(m->body.p, m->body.n);
  pml_timer_init(&p->timer, pending_late);
  pml_timer_start(n->loop, &p->timer, n->config.forward_ms);
  s->in_flight++;
  n->script.on_route(n->script.ud, p->id, type, s, m);
}

int pml_frontend_forward(pml_node *n, pml_id id, const char *to) {
  pending *p = pml_slots_take(n->pending, id);
  if (!p) return PML_ECLOSED;
  int rc = 0;
  pml_session *s = pml_sessions_get(n->sessions, p->session);
  if (s) {
    s->in_flight--;
    pml_message_view m = {
      .type = p->msg_id ? PML_MSG_REQUEST : PML_MSG_NOTIFY,
      .gzip = p->gzip,
      .id = p->msg_id,
      .route = pml_slice_of(p->route, p->nroute),
      .body = pml_buf_slice(p->body),
    };
    const pml_server_info *info = to ? pml_directory_find(&n->directory, to) : NULL;
    rc = to && !(info && info->frontend) ? send_on(n, s, &m, to) : PML_ENOENT;
    if (rc) {
      n->counts.forward_fails++;
      answer_500(s, p->msg_id);
    }
  }
  pending_free(p, n);
  return rc;
}

void pml_frontend_clear(pml_node *n) {
  pml__node_empty(n->pending, pending_free, n);
  pml_pool_clear(&n->forward_pool);
}

static int is_routed(const pml_node *n, pml_slice type) {
  for (size_t i = 0; i < n->nrouted; i++)
    if (strcmp(n->routed[i], "default") == 0 || pml_slice_eq(pml_slice_str(n->routed[i]), type))
      return 1;
  return 0;
}

void pml_frontend_set_routed(pml_node *n, const char *type, int on) {
  for (size_t i = 0; i < n->nrouted; i++) {
    if (strcmp(n->routed[i], type) != 0) continue;
    if (on) return;
    pml_free(n->routed[i]);
    n->routed[i] = n->routed[--n->nrouted];
    return;
  }
  if (!on) return;
  n->routed = pml_realloc(n->routed, (n->nrouted + 1) * sizeof *n->routed);
  n->routed[n->nrouted++] = pml_strdup(type);
}

/* --- a message arrives ------------------------------------------------------------ */

/* Splits type.handler.method; 0 when the route has not three parts. */
static int split(pml_slice route, pml_slice *type, pml_slice *method) {
  const uint8_t *end = route.p + route.n;
  const uint8_t *a = route.n ? memchr(route.p, '.', route.n) : NULL;
  const uint8_t *b = a ? memchr(a + 1, '.', (size_t)(end - a - 1)) : NULL;
  if (!b || memchr(b + 1, '.', (size_t)(end - b - 1))) return 0;
  *type = pml_slice_of(route.p, (size_t)(a - route.p));
  *method = pml_slice_of(b + 1, (size_t)(end - b - 1));
  return type->n && b > a + 1 && method->n;
}

static void to_others(pml_node *n, pml_session *s, const pml_message_view *m, pml_slice type) {
  if (is_routed(n, type) && n->script.on_route) {
    ask_script(n, s, m, type);
    return;
  }
  const pml_server_info *to = pml_node_route(n, type, pml_slice_of(s->uid.s, s->uid.n));
  if (!to) {
    char why[320];
    snprintf(why, sizeof why, "can not find server info for type:%.*s", (int)type.n,
             (const char *)type.p);
    forward_failed(n, s, m, why);
    return;
  }
  int rc = to->frontend ? PML_ENOENT : send_on(n, s, m, to->id);
  if (rc)
    forward_failed(n, s, m, rc == PML_ENOENT ? "its server takes no messages" : pml_err_reason(rc));
}

static void to_own(pml_node *n, pml_session *s, const pml_message_view *m) {
  if (pml__node_refuses(n)) {
    answer_500(s, m->id);
    return;
  }
  pml_id request = 0;
  if (!n->script.on_message || (m->id && !(request = pml_requests_local(n, s, m->id, m->route)))) {
    answer_500(s, m->id);
    return;
  }
  n->script.on_message(n->script.ud, request, s, m);
}

int pml_frontend_data(pml_node *n, pml_session *s, pml_slice body) {
  pml_message_view m;
  pml_slice type, method;
  int rc = pml_message_read(body, &m);
  if (rc) return rc;
  if (m.type == PML_MSG_PUSH) m.type = PML_MSG_NOTIFY; /* as Pomelo does: protocol 2.5 */
  if (m.type > PML_MSG_NOTIFY || !s->sink || s->left) {
    n->counts.ignored++;
    return 0;
  }
  if (m.type == PML_MSG_NOTIFY) m.id = 0;
  if (m.id == 0) m.type = PML_MSG_NOTIFY; /* nobody could tell an answer from another */
  if (m.id) n->counts.requests++;
  else n->counts.notifies++;
  if (n->stopping) {
    n->counts.stopping++;
    answer_500(s, m.id);
    return 0;
  }
  if (m.id && s->in_flight >= n->config.max_in_flight) {
    n->counts.over_in_flight++;
    answer_500(s, m.id);
    return 0;
  }
  if (m.compressed || !split(m.route, &type, &method)) {
    n->counts.bad_routes++;
    answer_500(s, m.id);
    return 0;
  }
  if (pml_slice_eq(method, pml_slice_str("constructor"))) {
    pml_frontend_kick(n, s, pml_slice_str("attack"));
    return 0;
  }
  if (pml_slice_eq(type, pml_slice_str(n->type))) to_own(n, s, &m);
  else to_others(n, s, &m, type);
  return 0;
}
