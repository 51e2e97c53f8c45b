#include "node/frontend.h"

#include "base/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/admission.h"
#include "node/credits.h"
#include "node/banned.h"
#include "node/drain.h"
#include "node/filtered.h"
#include "node/moves.h"
#include "node/rate.h"
#include "node/requests.h"
#include "node/route.h"
#include "node/state.h"
#include "node/transcode.h"

#define FORBIDDEN 403 /* codes of a handshake's answer */
#define FULL 503

const pml_counter pml__frontend_counters[] = {
  PML_NODE_COUNTER("badRoutes", frontend.bad_routes),
  PML_NODE_COUNTER("codedRoutes", frontend.coded_routes),
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
static pml_offered client_offer(pml_sink *s, pml_buf *frame, pml_delivery how) {
  return pml_peer_offer(pml_peer_of_user(s), frame, how);
}
static void client_close(pml_sink *s, pml_slice reason) {
  pml_peer_close(pml_peer_of_user(s), reason);
}
static void client_leave(pml_sink *s, pml_slice reason) {
  pml_peer_leave(pml_peer_of_user(s), reason);
}
static void client_move(pml_sink *s, pml_slice reason) {
  pml_peer_move(pml_peer_of_user(s), reason);
}
static void client_end_for(pml_sink *s, int why, pml_slice text) {
  pml_peer_end_for(pml_peer_of_user(s), (pml_end)why, text);
}
static void client_address(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port) {
  pml_conn_address(pml_peer_conn(pml_peer_of_user(s)), ip, port);
}

static void client_hand(pml_sink *s, pml_session *to) {
  ((client *)s)->session = to;
  if (!to) pml_peer_leave(pml_peer_of_user(s), pml_slice_str(NULL));
}

static const pml_sink_calls client_calls = {client_send,    client_offer, client_close,
                                            client_leave,   client_move,  client_end_for,
                                            client_address, client_hand};

static void on_open(pml_peer *p, pml_peer_host *h) {
  pml_node *n = h->ud;
  client *c = pml_peer_user(p);
  c->sink.calls = &client_calls;
  c->session = pml_sessions_open(n->sessions, &c->sink);
  if (!c->session) pml_peer_close(p, pml_slice_str(NULL));
}

void pml_frontend_shake(pml_node *n, pml_session *s, pml_slice body) {
  if (n->script.on_handshake) n->script.on_handshake(n->script.ud, s->id, body);
}

/* A client of a banned network is answered before any script runs. */
static int refuse_banned(pml_node *n, pml_peer *p) {
  char ip[PML_ADDRESS_TEXT];
  int port;
  pml_conn_address(pml_peer_conn(p), ip, &port);
  const pml_ban *ban = pml_banned_find(n, ip);
  if (ban) pml_peer_refuse(p, FORBIDDEN, pml_buf_slice(ban->body), PML_END_BANNED);
  return ban != NULL;
}

static void on_handshake(pml_peer *p, pml_slice body, pml_peer_host *h) {
  pml_node *n = h->ud;
  client *c = pml_peer_user(p);
  if (pml__banned_any(&n->banned) && refuse_banned(n, p)) return;
  if (c->session) pml_frontend_shake(n, c->session, body);
  pml_conn_forget_head(pml_peer_conn(p));
}

void pml_frontend_acked(pml_node *n, pml_session *s) {
  s->ready = 1;
  if (!s->resumes || !pml__resume_acked(n, s)) return;
  if (n->script.on_line) n->script.on_line(n->script.ud, s, 1);
}

static void on_working(pml_peer *p, pml_peer_host *h) {
  client *c = pml_peer_user(p);
  if (c->session) pml_frontend_acked(h->ud, c->session);
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

/* It counts as messages do, so that nobody sends more of it than of those. */
static int on_noise(pml_peer *p, unsigned messages, size_t bytes, pml_peer_host *h) {
  pml_node *n = h->ud;
  client *c = pml_peer_user(p);
  if (!c->session || pml__rate_noise(n, c->session, messages, bytes) != PML_RATE_END) return 0;
  pml_log_some(&n->log, PML_INFO, "messages above connectorConfig.rate",
               "heartbeats, pings and the like: more than connectorConfig.rate");
  return PML_EFULL;
}

/* Whether a client whose connection has ended so may come back: not when it has said that it
 * leaves, nor when the server has ended it for what it did or for what it is. */
static int gives_grace(const pml_peer_end *end) {
  switch (end->why) {
  case PML_END_PEER: return end->ws_code != PML_WS_NORMAL && end->ws_code != PML_WS_GOING_AWAY;
  case PML_END_ERROR:
  case PML_END_SLOW:
  case PML_END_MEMORY:
  case PML_END_PACKAGE:
  case PML_END_HANDSHAKE:
  case PML_END_HEARTBEAT: return 1;
  default: return 0;
  }
}

int pml_frontend_lost(pml_node *n, pml_session *s, const pml_close_reason *why) {
  int was_back = pml__resume_comes_back(s);
  if (!s->resumes || !pml__resume_lost(n, s, why)) return 0;
  if (!was_back && n->script.on_line) n->script.on_line(n->script.ud, s, 0);
  return 1;
}

static void on_end(pml_peer *p, const pml_peer_end *end, pml_peer_host *h) {
  client *c = pml_peer_user(p);
  pml_close_reason why = reason_of(end);
  if (!c->session) return;
  if (pml__resume_has_left(c->session))
    why = end->is_ws ? (pml_close_reason){.kind = PML_CLOSE_CODE, .code = PML_WS_NORMAL}
                     : (pml_close_reason){.kind = PML_CLOSE_FLAG};
  if (gives_grace(end) && pml_frontend_lost(h->ud, c->session, &why))
    pml_conn_take_seat(pml_peer_conn(p), pml__resume_seat(c->session));
  else pml_frontend_closed(h->ud, c->session, &why);
}

static void on_behind(pml_peer_host *h, const pml_behind_counts *counts) {
  pml__moves_behind(h->ud, counts->requests, counts->notifies);
}

void pml__frontend_init(pml_node *n) {
  pml_peer_host *h = &n->frontend.host;
  h->on_open = on_open;
  h->on_handshake = on_handshake;
  h->on_working = on_working;
  h->on_data = on_data;
  h->on_noise = on_noise;
  h->on_end = on_end;
  h->on_behind = on_behind;
  h->ud = n;
  pml__resume_init(n, pml_frontend_closed);
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

static void session_ended(pml_node *n) {
  pml__drain_session_ended(n);
  pml__moves_session_ended(n);
}

void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason) {
  if (s->left) return;
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  if (s->sink) pml_sink_close(s->sink, reason);
}

void pml_frontend_end(pml_node *n, pml_session *s, pml_end why, pml_slice text) {
  if (s->left) return;
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  if (s->sink) pml_sink_end(s->sink, why, text);
}

void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why) {
  if (s->left) pml__drain_kicked(n, 0);
  if (s->resumes) pml__resume_forget(n, s);
  pml__credits_forget(n, s);
  if (!s->wants_closed || !n->script.on_closed) {
    pml_sessions_close(n->sessions, s);
    session_ended(n);
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
  session_ended(n);
}

void pml_frontend_forget(pml_node *n, pml_session *s) { pml__resume_forget(n, s); }
pml_sink *pml_frontend_line(const pml_session *s) { return pml__resume_line(s); }

/* NULL: it is gone, or has no socket. */
static pml_peer *peer_of(pml_node *n, pml_id session) {
  const pml_session *s = pml_sessions_get(n->sessions, session);
  pml_sink *line = s ? pml__resume_line(s) : NULL;
  return line && line->calls == &client_calls ? pml_peer_of_user(line) : NULL;
}

static pml_conn *conn_of(pml_node *n, pml_id session) {
  pml_peer *p = peer_of(n, session);
  return p ? pml_peer_conn(p) : NULL;
}

int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json) {
  pml_peer *p = peer_of(n, session);
  if (!p) return PML_ENOENT;
  int is_new = code == 200 && !pml__resume_comes_back(pml_sessions_get(n->sessions, session));
  pml_end no_room = is_new ? pml_conn_room(pml_peer_conn(p)) : PML_END_NONE;
  if (no_room) pml_peer_refuse(p, FULL, pml_slice_str("{\"code\":503}"), no_room);
  else pml_peer_handshake(p, code, json);
  return 0;
}

/* --- clients that come back --------------------------------------------------------- */

static pml_resume_found find(pml_node *n, pml_slice token, double seen, pml_session **out) {
  switch (pml__resume_find(n, token, seen, out)) {
  case 0: return PML_RESUME_CAN;
  case PML_EFULL: return PML_RESUME_TOO_LATE;
  default: return PML_RESUME_NOT;
  }
}

pml_resume_found pml_frontend_resumable(pml_node *n, pml_slice token, double seen, pml_id *out) {
  pml_session *s;
  pml_resume_found found = find(n, token, seen, &s);
  if (found != PML_RESUME_NOT) *out = s->id;
  return found;
}

void pml_frontend_resume_not(pml_node *n, pml_slice token, double seen) {
  pml_session *s;
  pml_resume_found found = find(n, token, seen, &s);
  pml__resume_not(n, found == PML_RESUME_TOO_LATE);
  if (found == PML_RESUME_NOT) return;
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  pml_sink_leave(s->sink, pml_slice_str("resume"));
}

int pml_frontend_resume(pml_node *n, pml_id session, pml_slice token, double seen, pml_id *out,
                        pml_resume_answer *answer) {
  pml_session *s, *own = pml_sessions_get(n->sessions, session);
  if (!own || own->resumes || !own->sink) return PML_ENOENT;
  if (find(n, token, seen, &s) != PML_RESUME_CAN) return PML_ENOENT;
  if (s->form != own->form) return PML_EINVAL;
  int rc = pml__resume_take(n, s, token, (uint64_t)seen, own->sink, answer);
  if (rc) return rc;
  *out = s->id;
  pml_sessions_close(n->sessions, own);
  session_ended(n);
  return 0;
}

int pml_frontend_keep(pml_node *n, pml_id session, char token[PML_RESUME_TOKEN + 1]) {
  pml_session *s = pml_sessions_get(n->sessions, session);
  return s ? pml__resume_keep(n, s, token) : PML_ENOENT;
}

pml_slice pml_frontend_head(pml_node *n, pml_id session) {
  const pml_conn *c = conn_of(n, session);
  return c ? pml_conn_head(c) : pml_slice_of(NULL, 0);
}

int pml_frontend_encryption(pml_node *n, pml_id session, pml_tls_facts *out) {
  const pml_conn *c = conn_of(n, session);
  return c && pml_conn_encryption(c, out);
}

typedef struct {
  pml_node *node;
  size_t ended;
} banned_walk;

static int end_banned(pml_session *s, void *ud) {
  banned_walk *w = ud;
  char ip[PML_ADDRESS_TEXT];
  int port;
  if (!s->sink) return 0;
  pml_sink_address(s->sink, ip, &port);
  const pml_ban *ban = pml_banned_find(w->node, ip);
  if (!ban) return 0;
  w->ended++;
  pml_frontend_end(w->node, s, PML_END_BANNED, pml_buf_slice(ban->reason));
  return 0;
}

size_t pml_frontend_end_banned(pml_node *n) {
  banned_walk w = {n, 0};
  if (pml__banned_any(&n->banned)) pml_sessions_each(n->sessions, end_banned, &w);
  return w.ended;
}

int pml_frontend_refuse(pml_node *n, pml_id session, int code, pml_slice json, pml_end why) {
  pml_peer *p = peer_of(n, session);
  if (p) pml_peer_refuse(p, code, json, why);
  return p ? 0 : PML_ENOENT;
}

/* --- a message arrives ------------------------------------------------------------ */

/* Splits type.handler.method; 0 when the route has not three parts. */
static int split(pml_slice route, pml_slice *type, pml_slice *method) {
  const uint8_t *end = pml_slice_end(route);
  const uint8_t *a = route.n ? memchr(route.p, '.', route.n) : NULL;
  const uint8_t *b = a ? memchr(a + 1, '.', (size_t)(end - a - 1)) : NULL;
  if (!b || memchr(b + 1, '.', (size_t)(end - b - 1))) return 0;
  *type = pml_slice_of(route.p, (size_t)(a - route.p));
  *method = pml_slice_of(b + 1, (size_t)(end - b - 1));
  return type->n && b > a + 1 && method->n;
}

/* The server's own: a client brings a new token. It has two parts, so that no handler's route is
 * it. */
static int is_refresh(const pml_node *n, pml_slice route) {
  return n->config.auth && pml_slice_eq(route, pml_slice_str("sys.refresh"));
}

/* The server's own: a client that may come back leaves for good. */
static int is_leave(const pml_session *s, const pml_message_view *m) {
  return s->resumes && !m->id && pml_slice_eq(m->route, pml_slice_str("sys.leave"));
}

static void leave_for_good(pml_node *n, pml_session *s) {
  pml__resume_leaves(s);
  pml_sessions_leave(n->sessions, s);
  pml__drain_kicked(n, 1);
  pml_sink_leave(s->sink, pml_slice_str(NULL));
}

/* A code becomes the route that it stands for; without one the route stays empty. */
static void decompress(pml_node *n, pml_message_view *m) {
  const pml_dictionary *d = pml_forms_dictionary(n);
  if (!m->compressed || !d) return;
  m->route = pml_dictionary_route(d, m->code);
  m->compressed = 0;
  n->frontend.coded_routes += m->route.n > 0;
}

static void to_scripts(pml_node *n, pml_session *s, const pml_message_view *m) {
  if (pml__admission_low_memory(n)) {
    pml__requests_refuse(n, s, m->id, m->route);
    return;
  }
  pml_id request = 0;
  if (!n->script.on_message || (m->id && !(request = pml__requests_local(n, s, m->id, m->route)))) {
    pml__requests_refuse(n, s, m->id, m->route);
    return;
  }
  n->script.on_message(n->script.ud, request, s, m);
}

/* 1: the message is too much for its session, and is refused. */
static int over_rate(pml_node *n, pml_session *s, const pml_message_view *m, size_t bytes) {
  int rc = pml__rate_charge(n, s, m->route, bytes);
  if (rc == PML_RATE_GOOD) return 0;
  pml_log_some(&n->log, PML_INFO, "messages above connectorConfig.rate",
               "%.*s: refused: its session sends more than connectorConfig.rate", (int)m->route.n,
               (const char *)m->route.p);
  pml__requests_refuse_as(n, s, m->id, m->route, 429);
  return rc == PML_RATE_END ? PML_EFULL : 1;
}

int pml_frontend_data(pml_node *n, pml_session *s, pml_slice body) {
  pml_message_view m;
  pml_slice type, method;
  if (s->resumes) pml__resume_took(s);
  int rc = pml_message_read(body, &m);
  if (rc) return rc;
  if (m.type == PML_MSG_PUSH) m.type = PML_MSG_NOTIFY; /* as Pomelo does: protocol 2.5 */
  if (m.type != PML_MSG_REQUEST) m.id = 0;
  if (m.id == 0 && m.type == PML_MSG_REQUEST)
    m.type = PML_MSG_NOTIFY; /* nothing could be answered */
  decompress(n, &m);
  rc = over_rate(n, s, &m, body.n);
  if (rc) return rc < 0 ? rc : 0;
  if (m.type > PML_MSG_NOTIFY || !s->sink || s->left) {
    n->frontend.ignored++;
    return 0;
  }
  if (is_leave(s, &m)) {
    leave_for_good(n, s);
    return 0;
  }
  if (s->moving) {
    pml__moves_count(n, m.id != 0);
    return 0;
  }
  pml__admission_count(n, m.id != 0);
  if (pml__admission_stopped(n, PML_FROM_CLIENT) || (m.id && pml__admission_full(n, s, m.route))) {
    pml__requests_refuse(n, s, m.id, m.route);
    return 0;
  }
  if (is_refresh(n, m.route)) {
    to_scripts(n, s, &m);
    return 0;
  }
  if (!split(m.route, &type, &method)) {
    n->frontend.bad_routes++;
    pml__requests_refuse(n, s, m.id, m.route);
    return 0;
  }
  if (pml_slice_eq(method, pml_slice_str("constructor"))) {
    pml_frontend_kick(n, s, pml_slice_str("attack"));
    return 0;
  }
  int own = pml_slice_eq(type, pml_slice_str(n->type));
  if (!own && !m.id && pml__admission_full(n, s, m.route)) return 0;
  pml_buf *held;
  rc = pml__transcode_receive(n, s, &m, &held);
  if (rc) return rc;
  if (own || pml__filtered_is_on(n)) to_scripts(n, s, &m);
  else pml__route_message(n, s, &m, type);
  pml_buf_unref(held);
  return 0;
}
