/* secure: what comes in over TLS, in front of receive: the first byte tells whether a client speaks
 * it, its handshake begins when it is its turn, and then plain bytes go on. */
#include "net/conn_private.h"

#include "base/container.h"
#include "base/err.h"
#include "wire/tls_hello.h"

#define MINUTE_MS 60000u

/* One line for each address and minute. */
static void say(pml_conn *c, const char *what, const char *advice) {
  const pml_log *log = c->s->o.log;
  char ip[PML_ADDRESS_TEXT], kind[PML_ADDRESS_TEXT + 64];
  int port;
  if (!log) return;
  pml_conn_address(c, ip, &port);
  int n = snprintf(kind, sizeof kind, "%s: %s", what, ip);
  if (pml_log_may(log, PML_WARN, kind, (size_t)n, 1, MINUTE_MS))
    pml_log_write(log, PML_WARN, "%s, from %s:%d: %s", what, ip, port, advice);
}

/* A browser or another HTTP client is told; for a Pomelo client there is no such answer. */
static void refuse_plain(pml_conn *c, uint8_t first) {
  static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 58\r\nConnection: close\r\n\r\n"
                               "This is plain text on a TLS port: use wss:// or https://.\n";
  c->s->counts.tls_plain++;
  say(c, "plain text on a TLS port", "the client was closed; it must connect by TLS (wss://)");
  if (first >= 'A' && first <= 'Z') {
    pml_buf *b = pml_buf_from(answer, sizeof answer - 1);
    pml__conn_put(c, b, pml_buf_slice(b));
  }
  pml_conn_close(c, PML_END_HANDSHAKE, 0);
}

int pml__secure_first(pml_conn *c, uint8_t first) {
  pml_conns *s = c->s;
  if (first != PML_TLS_FIRST) {
    if (!s->tls_required) return 1;
    refuse_plain(c, first);
    return 0;
  }
  if (s->tls) {
    c->tls = pml__tls_new(s->tls_io, s->tls, c);
    return 1;
  }
  s->counts.tls_not_spoken++;
  say(c, "TLS on a port without TLS",
      "the client was closed; it must connect without (ws://), or the server needs a certificate");
  pml_conn_close(c, PML_END_PROTOCOL, 0);
  return 0;
}

static int take(uint8_t *bytes, size_t n, void *ud) {
  pml_conn *c = ud;
  c->s->secure.plain(c, bytes, n);
  return !pml__conn_is_read(c);
}

/* The handshake is over, if it is. */
static void count_handshake(pml_conn *c) {
  pml_net_counts *n = &c->s->counts;
  pml__tls_state state = pml__tls_state_of(c->tls);
  if (state != PML__TLS_OPEN && state != PML__TLS_BROKEN) return;
  if (!pml__tls_queue_leave(&c->s->shakes, pml__tls_place_of(c->tls))) return;
  if (state == PML__TLS_BROKEN) {
    n->tls_failed++;
    return;
  }
  n->tls_done++;
  n->tls_resumed += pml__tls_resumed(c->tls) != 0;
}

/* After bytes have gone through c's TLS, which was in state `was`, with result r. */
static void went_through(pml_conn *c, pml__tls_state was, int r) {
  if (was != PML__TLS_OPEN) count_handshake(c);
  if (r == PML_EPROTO) {
    c->s->counts.tls_broken += was == PML__TLS_OPEN;
    c->s->counts.tls_renegotiations += pml__tls_renegotiates(c->tls) != 0;
    pml__conn_die(c, PML_END_PROTOCOL);
  } else if (r == PML_ECLOSED) {
    uv_read_stop(pml__conn_stream(c));
    if (pml__conn_rest(c)) c->ended_behind = 1;
    else c->s->secure.eof(c);
  }
  if (pml__conn_sealed(c)) pml__conn_queued(c);
}

static void begin(pml_conn *c) {
  went_through(c, PML__TLS_SHAKES, pml__tls_begin(c->tls, take, c));
}

static void collect(pml_conn *c, const uint8_t *bytes, size_t n) {
  pml_conns *s = c->s;
  int r = pml__tls_collect(c->tls, bytes, n);
  if (r == PML_EAGAIN) return;
  if (r) {
    s->counts.tls_hello++;
    pml_conn_close(c, PML_END_PROTOCOL, 0);
    return;
  }
  s->counts.tls_begun++;
  if (pml__tls_queue_ask(&s->shakes, pml__tls_place_of(c->tls))) begin(c);
  else uv_read_stop(pml__conn_stream(c));
}

void pml__secure_received(pml_conn *c, const uint8_t *bytes, size_t n) {
  pml__tls_state was = pml__tls_state_of(c->tls);
  if (!pml__conn_is_read(c)) return;
  if (was == PML__TLS_HELLO) collect(c, bytes, n);
  else went_through(c, was, pml__tls_feed(c->tls, bytes, n, take, c));
}

/* A connection that waited has its turn. */
static void on_begin(pml__tls_place *p) {
  pml_conn *c = pml__tls_owner(pml__tls_of_place(p));
  if (c->life != PML__OPEN) return; /* it leaves when it is buried */
  begin(c);
  if (c->life == PML__OPEN && !pml__conn_rest(c) && c->s->secure.start(c))
    pml__conn_die(c, PML_END_ERROR);
}

/* It has been under way for long, and others wait. */
static void on_cut(pml__tls_place *p) {
  pml_conn *c = pml__tls_owner(pml__tls_of_place(p));
  pml__tls_queue_leave(&c->s->shakes, p);
  c->s->counts.tls_late++;
  pml_conn_close(c, PML_END_HANDSHAKE, 0);
}

void pml__secure_init(pml_conns *s, const pml__secure_hooks *hooks) {
  const pml_conn_limits *m = &s->o.limits;
  s->secure = *hooks;
  pml__tls_queue_init(&s->shakes, s->loop, m->tls_shakes, m->tls_per_s, on_begin, on_cut);
}
