#include "node/frontend.h"

#include "base/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/admission.h"
#include "node/drain.h"
#include "node/requests.h"
#include "node/route.h"
#include "node/state.h"

const pml_counter pml__frontend_counters[] = {
  PML_NODE_COUNTER("badRoutes", frontend.bad_routes),
  PML_NODE_COUNTER("ignored", frontend.ignored),
  {NULL, 0},
};

/* --- clients --------------------------------------------------------------- */

/* The session of a connection. Its memory follows that of the peer. */
typedef struct {
  pml_sink sink;
  pml_session *session; /* NULL: there were too many sessions */
} client;

static void client_send(pml_sink *s, pml_buf *frame) { pml_peer_send(pml_peer_of_user(s), frame); }
static void client_close(pml_sink *s, pml_slice reason) {
  pml_peer_close(pml_peer_of_user(s), reason);
}
static void client_leave(pml_sink *s, pml_slice reason) {
  pml_peer_leave(pml_peer_of_user(s), reason);
}
static void client_address(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port) {
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

void pml__frontend_init(pml_node *n) {
  pml_peer_host *h = &n->frontend.host;
  h->on_open = on_open;
  h->on_handshake = on_handshake;
  h->on_working = on_working;
  h->on_data = on_data;
  h->on_end = on_end;
  h->ud = n;
}

pml_conn_hooks pml__frontend_hooks(void) { return pml_peer_hooks(sizeof(client)); }

pml_peer_host *pml__frontend_host(pml_node *n) {
  pml_peer_host *h = &n->frontend.host;
  h->package_before = n->config.package_before;
  h->package_after = n->config.package_after;
  h->handshake_ms = n->config.handshake_ms;
  h->heartbeat_s = n->config.heartbeat_s;
  h->timeout_s = n->config.timeout_s;
  h->ping_s = n->config.keep_alive_s;
  h->log = &n->log;
  return h;
}

void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason) {
  if (s->left) return;
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  if (s->sink) pml_sink_close(s->sink, reason);
}

void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why) {
  if (s->left) pml__drain_kicked(n, 0);
  if (!s->wants_closed || !n->script.on_closed) {
    pml_sessions_close(n->sessions, s);
    pml__drain_session_ended(n);
    return;
  }
  /* The session leaves the tables first, so that a script that asks for it learns that it is gone.
   * The scripts get a copy of what it was (protocol 12.3). */
  pml_session was = *s;
  was.sink = NULL;
  was.uid_next = NULL;
  was.settings = pml_buf_ref(s->settings);
  was.uid.s = s->uid.s ? pml_strndup(s->uid.s, s->uid.n) : NULL;
  pml_sessions_close(n->sessions, s);
  n->script.on_closed(n->script.ud, &was, why);
  pml_buf_unref(was.settings);
  pml_free((char *)(uintptr_t)was.uid.s);
  pml__drain_session_ended(n);
}

int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json) {
  pml_session *s = pml_sessions_get(n->sessions, session);
  if (!s || !s->sink || s->sink->calls != &client_calls) return PML_ENOENT;
  pml_peer_handshake(pml_peer_of_user(s->sink), code, json);
  return 0;
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

static void to_own(pml_node *n, pml_session *s, const pml_message_view *m) {
  if (pml__admission_low_memory(n)) {
    pml__requests_refuse(s, m->id);
    return;
  }
  pml_id request = 0;
  if (!n->script.on_message || (m->id && !(request = pml__requests_local(n, s, m->id, m->route)))) {
    pml__requests_refuse(s, m->id);
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
    n->frontend.ignored++;
    return 0;
  }
  if (m.type == PML_MSG_NOTIFY) m.id = 0;
  if (m.id == 0) m.type = PML_MSG_NOTIFY; /* an answer with id 0 would belong to no request */
  pml__admission_count(n, m.id != 0);
  if (pml__admission_stopped(n, PML_FROM_CLIENT) || (m.id && pml__admission_full(n, s))) {
    pml__requests_refuse(s, m.id);
    return 0;
  }
  if (m.compressed || !split(m.route, &type, &method)) {
    n->frontend.bad_routes++;
    pml__requests_refuse(s, m.id);
    return 0;
  }
  if (pml_slice_eq(method, pml_slice_str("constructor"))) {
    pml_frontend_kick(n, s, pml_slice_str("attack"));
    return 0;
  }
  if (pml_slice_eq(type, pml_slice_str(n->type))) to_own(n, s, &m);
  else pml__route_message(n, s, &m, type);
  return 0;
}
