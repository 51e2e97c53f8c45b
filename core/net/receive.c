/* receive: what comes in from a socket: one read per turn, through TLS and the reader to the hooks;
 * what is more than a connection's share of the turn waits, while the others have their turns. */
#include "net/conn_private.h"

#include "base/container.h"
#include "base/err.h"
#include "net/turns.h"
#include "wire/http_head.h"
#include "wire/proxy_header.h"

#include <errno.h>
#include <sys/socket.h>

#define HEAD_KEPT 8192u /* bytes of an HTTP request that scripts may read */

#define RECORD UINT32_MAX /* the number of no package */

static void hold(pml_conn *c, uint32_t bytes) {
  if ((c->aside ? c->aside->holds : 0) == bytes) return;
  pml__conn_aside(c)->holds = bytes;
  pml__conn_charge(c);
  if (pml__evict_due(c->s)) pml__evict_look(c->s);
}

void pml_conn_cut(pml_conn *c, uint32_t number, uint32_t bytes) {
  c->s->cut = number;
  hold(c, bytes);
}

static int on_opened(int is_ws, void *ud) {
  pml_conn *c = ud;
  pml_conns *s = c->s;
  c->transport = is_ws ? PML__WEBSOCKET : PML__STREAMING;
  s->o.hooks.on_open(c);
  if (c->life == PML__OPEN) pml_timer_stop(s->loop, &c->timer);
  c->late = 0;
  hold(c, 0); /* of the request */
  return c->discard_input ? PML_ECLOSED : 0;
}

static int on_piece(int kind, pml_slice bytes, int fin, void *ud) {
  pml_conn *c = ud;
  if (c->left) {
    c->s->o.hooks.on_behind(c, bytes);
    return 0;
  }
  if (c->s->share.had && bytes.n) return (int)bytes.n;
  int r = c->life == PML__OPEN ? c->s->o.hooks.on_bytes(c, kind, bytes, fin) : 0;
  if (r == PML_ETOOBIG) pml_conn_close(c, PML_END_TOOBIG, PML_WS_TOO_BIG);
  else if (r == PML_EFULL) pml_conn_close(c, PML_END_RATE, PML_WS_POLICY);
  else if (r < 0) pml_conn_close(c, PML_END_PROTOCOL, PML_WS_PROTOCOL);
  else if (r) return r;
  return c->discard_input ? PML_ECLOSED : 0; /* a closing WebSocket is read until its close frame */
}

static int on_pong(void *ud) {
  pml_conn *c = ud;
  if (c->life != PML__OPEN) return 0;
  if (c->s->o.hooks.on_ping && c->s->o.hooks.on_ping(c))
    pml_conn_close(c, PML_END_RATE, PML_WS_POLICY);
  return c->discard_input ? PML_ECLOSED : 0;
}

static int on_reply(pml_buf *block, void *ud) {
  pml_conn *c = ud;
  if (c->life != PML__OPEN) {
    pml_buf_unref(block);
    return 0;
  }
  pml__conn_put(c, block, pml_buf_slice(block));
  pml__conn_queued(c);
  return on_pong(c);
}

static void on_refused(pml_buf *answer, void *ud) {
  pml_conn *c = ud;
  pml__conn_put(c, answer, pml_buf_slice(answer));
  pml_conn_close(c, PML_END_HANDSHAKE, 0);
}

static void on_close_frame(uint16_t code, pml_buf *answer, void *ud) {
  pml_conn *c = ud;
  c->discard_input = 1;
  if (c->life != PML__OPEN) {
    pml_buf_unref(answer);
    pml__conn_mark(c);
    return;
  }
  pml__conn_put(c, answer, pml_buf_slice(answer));
  pml__conn_begin_close(c, PML_END_PEER, code, 1);
}

/* After the reader was fed n bytes, with result r: a package that has begun must come to its end in
 * time. A client who sends 1,000 bytes a second gains a millisecond with each. What waits for its
 * turn is not the client's fault. */
static void time_package(pml_conn *c, size_t n, int r) {
  pml_conns *s = c->s;
  uint32_t most = s->o.limits.package_ms, was = pml__conn_package(c), number = 0;
  if (c->transport == PML__UNKNOWN) {
    if (!r) hold(c, pml_reader_held(&c->reader));
    return;
  }
  if (!r) number = c->transport == PML__STREAMING ? s->cut : pml_reader_number(&c->reader);
  if (number != was) pml__conn_aside(c)->package = number;
  if (!number || !most || c->life != PML__OPEN) return;
  uint32_t now = (uint32_t)pml_loop_now(s->loop);
  if (number != was) {
    c->aside->package_due = now + most;
    pml__conn_look(c, most);
    return;
  }
  uint32_t left = c->aside->package_due - now;
  if (left > INT32_MAX) left = 0; /* the timer is late */
  c->aside->package_due = now + (left + n < most ? left + (uint32_t)n : most);
}

/* The same for a record of TLS outside of a package: while it is cut, OpenSSL has room for a whole
 * one. */
static void time_record(pml_conn *c) {
  uint32_t most = c->s->o.limits.package_ms, package = pml__conn_package(c);
  if (c->transport == PML__UNKNOWN || pml__conn_rest(c) || c->life != PML__OPEN || !most) return;
  int cut = pml__tls_is_cut(c->tls);
  if (package == RECORD && !cut) c->aside->package = 0;
  if (package || !cut) return;
  pml__aside *a = pml__conn_aside(c);
  a->package = RECORD;
  a->package_due = (uint32_t)pml_loop_now(c->s->loop) + most;
  pml__conn_look(c, most);
}

static int may_open(const pml_gate *g, pml_slice head) {
  pml_slice origin = {0};
  uint32_t n = g->origins ? pml_http_head_find(head, "Origin", &origin) : 0;
  return n == 0 || (n == 1 && pml_origins_has(g->origins, origin));
}

/* The whole lines of a head that are kept for scripts. */
static pml_slice kept(pml_slice head) {
  if (head.n <= HEAD_KEPT) return head;
  const uint8_t *end = memrchr(head.p, '\n', HEAD_KEPT);
  return pml_slice_of(head.p, end ? (size_t)(end + 1 - head.p) : 0);
}

static int on_request(pml_slice head, void *ud) {
  pml_conn *c = ud;
  const pml_gate *g = c->s->o.gate;
  if (!g) return 0;
  int refused = pml__proxied_request(c, head);
  if (!refused && !may_open(g, head)) {
    c->s->counts.origins++;
    refused = 403;
  }
  if (refused || !g->keep_heads) return refused;
  head = kept(head);
  pml__conn_aside(c)->head = pml_buf_from(head.p, head.n);
  return refused;
}

/* A proxy whose address was forgotten in trustedProxies. */
static void log_stranger(pml_conn *c, const uint8_t *p, size_t n) {
  static const char kind[] = "headers of proxies that are not trusted";
  char ip[PML_ADDRESS_TEXT];
  int port;
  if (c->transport != PML__UNKNOWN || !pml_proxy_header_begins(p, n)) return;
  pml_conn_address(c, ip, &port);
  if (c->s->o.log)
    pml_log_some(c->s->o.log, PML_WARN, kind,
                 "%s:%d sent the header of a proxy, and trustedProxies does not have its address",
                 ip, port);
}

/* Returns how many bytes at the end were not taken. */
static size_t feed(pml_conn *c, uint8_t *p, size_t n) {
  static const pml_reader_hooks hooks = {on_opened,      on_piece,   on_reply, on_refused,
                                         on_close_frame, on_request, on_pong};
  if (!pml__conn_is_read(c)) return 0;
  pml__turns_begin(c->s, n);
  int r = pml_reader_feed(&c->reader, p, n, c->s->o.limits.ws_frame_max, &hooks, c);
  pml__turns_end(c->s);
  time_package(c, n, r);
  if (r > 0) return (size_t)r;
  if (!r || r == PML_ECLOSED) return 0;
  if (c->life != PML__OPEN) {
    c->discard_input = 1;
    pml__conn_mark(c);
  } else {
    log_stranger(c, p, n);
    pml_conn_close(c, r == PML_ETOOBIG ? PML_END_TOOBIG : PML_END_PROTOCOL, c->reader.code);
  }
  return 0;
}

void pml__receive_feed(pml_conn *c, uint8_t *bytes, size_t n) {
  if (pml__conn_rest(c)) {
    pml__turns_add(c, bytes, n);
  } else {
    size_t left = feed(c, bytes, n);
    if (!left) return;
    uv_read_stop(pml__conn_stream(c));
    pml__turns_wait(c, bytes + n - left, left);
  }
  if (pml__evict_due(c->s)) pml__evict_look(c->s);
}

static void on_eof(pml_conn *c) {
  c->got_eof = 1;
  if (c->life != PML__OPEN) {
    pml__conn_mark(c);
    return;
  }
  /* The client may still read: what is queued is flushed. */
  pml__conn_begin_close(c, PML_END_PEER, c->transport == PML__WEBSOCKET ? PML_WS_ABNORMAL : 0,
                        c->q || c->tls);
}

/* c has its turn with the bytes that wait of it. */
static size_t on_turn(pml_conn *c, uint8_t *bytes, size_t n) {
  c->last_ms = (uint32_t)pml_loop_now(c->s->loop);
  return feed(c, bytes, n);
}

/* Nothing waits of c any more. */
static void on_done(pml_conn *c) {
  if (c->tls) time_record(c);
  if (c->ended_behind) on_eof(c);
  else if (pml__receive_start(c)) pml__conn_die(c, PML_END_ERROR);
}

/* ---- the socket ---- */

/* The first byte tells how the client speaks, and which of the two filters its bytes go through. */
static void received(pml_conn *c, uint8_t *p, size_t n) {
  if (!c->told) {
    c->told = 1;
    if (!pml__secure_first(c, p[0])) return;
  }
  if (!c->tls) {
    pml__receive_feed(c, p, n);
    return;
  }
  pml__secure_received(c, p, n);
  time_record(c);
  pml__conn_charge(c);
  if (pml__evict_due(c->s)) pml__evict_look(c->s);
}

/* The first bytes of a trusted proxy's connection, which may be its own. */
static void feed_proxied(pml_conn *c, uint8_t *p, size_t n) {
  uint8_t first[8];
  pml_slice taken;
  int r = pml__proxied_feed(c, &taken, &p, &n);
  if (r == PML_EPROTO) pml_conn_close(c, PML_END_PROTOCOL, 0);
  if (r) return;
  if (taken.n) {
    pml_slice_copy(first, taken);
    received(c, first, taken.n);
  }
  if (n) received(c, p, n);
}

/* The system has no memory for a read now: it keeps the bytes, and is asked again later. */
static void starve(pml_conn *c) {
  pml_conns *s = c->s;
  c->read_later = 1;
  if (!pml_timer_running(&s->reread)) pml_timer_start(s->loop, &s->reread, PML__RETRY_MS);
}

static void on_reread(pml_timer *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, reread);
  for (pml_list *n = s->all.next; n != &s->all; n = n->next) {
    pml_conn *c = PML_CONTAINER(n, pml_conn, node);
    if (!c->read_later) continue;
    c->read_later = 0;
    if (c->life != PML__UV_CLOSING && pml__receive_start(c)) pml__conn_die(c, PML_END_ERROR);
  }
}

void pml__receive_init(pml_conns *s) {
  pml_timer_init(&s->reread, on_reread);
  pml__turns_init(s, on_turn, on_done);
  pml__secure_init(s, &(pml__secure_hooks){pml__receive_feed, on_eof, pml__receive_start});
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *out) {
  (void)h;
  (void)hint;
  *out = uv_buf_init(NULL, 0);
}

/* The socket has bytes. libuv was given no buffer and reports UV_ENOBUFS: it would read up to 32
 * times from one socket, and after an error never again. */
static void on_readable(uv_stream_t *h, ssize_t n, const uv_buf_t *buf) {
  pml_conn *c = h->data;
  pml_conns *s = c->s;
  (void)n;
  (void)buf;
  if (c->life == PML__UV_CLOSING) return;
  ssize_t got = recv(c->fd, s->read, sizeof s->read, MSG_DONTWAIT);
  if (got > 0) {
    c->last_ms = (uint32_t)pml_loop_now(s->loop);
    s->counts.bytes_in += (size_t)got;
    if (c->life == PML__OPEN && c->aside && c->aside->header) feed_proxied(c, s->read, (size_t)got);
    else if (c->life < PML__ABANDONED) received(c, s->read, (size_t)got);
    return;
  }
  int err = got < 0 ? errno : 0;
  if (err == EAGAIN || err == EINTR) return;
  uv_read_stop(h);
  if (!err) on_eof(c);
  else if (err == ENOMEM || err == ENOBUFS) starve(c);
  else pml__conn_fail(c, err);
}

int pml__receive_start(pml_conn *c) {
  return uv_read_start(pml__conn_stream(c), on_alloc, on_readable);
}
