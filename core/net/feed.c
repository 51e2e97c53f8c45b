/* feed: what comes in: the transport is told by the first byte, the bytes go to the hooks. */
#include "base/container.h"
#include "net/conn_private.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void deliver(pml_conn *c, int kind, pml_slice bytes, int fin) {
  int r = c->s->o.hooks.on_bytes(c, kind, bytes, fin);
  if (r == PML_ETOOBIG) pml_conn_close(c, PML_END_TOOBIG, PML_WS_TOO_BIG);
  else if (r) pml_conn_close(c, PML_END_PROTOCOL, PML_WS_PROTOCOL);
}

static int on_ws_data(uint8_t op, pml_slice piece, int fin, void *ud) {
  pml_conn *c = ud;
  if (!c->closing) deliver(c, op == PML_WS_TEXT ? PML_TEXT : PML_BINARY, piece, fin);
  return c->deaf ? PML_ECLOSED : 0; /* a closing one is read on, for its close frame */
}

static int on_ws_control(uint8_t op, pml_slice payload, void *ud) {
  pml_conn *c = ud;
  if (op == PML_WS_PING && !c->closing) {
    pml_buf *b = pml_ws_frame_control(PML_WS_PONG, payload.p, payload.n);
    pml__conn_put(c, b, pml_buf_slice(b));
    pml__conn_queued(c);
    return 0;
  }
  if (op != PML_WS_CLOSE) return 0;
  c->close_got = 1;
  c->deaf = 1;
  if (c->closing) {
    pml__conn_mark(c);
    return PML_ECLOSED;
  }
  uint16_t code = payload.n < 2 ? PML_WS_NO_STATUS : (uint16_t)(payload.p[0] << 8 | payload.p[1]);
  pml_buf *b = pml_ws_frame_control(PML_WS_CLOSE, payload.p, payload.n < 2 ? 0 : 2);
  pml__conn_put(c, b, pml_buf_slice(b));
  pml__conn_begin_close(c, PML_END_PEER, code, 1);
  return PML_ECLOSED;
}

static void feed_ws(pml_conn *c, uint8_t *p, size_t n) {
  static const pml_ws_frame_hooks hooks = {on_ws_data, on_ws_control};
  int r = pml_ws_frame_feed(&c->in.frame, p, n, c->s->o.limits.ws_frame_max, &hooks, c);
  if (!r || r == PML_ECLOSED) return;
  uint16_t code = c->in.frame.code;
  if (c->closing) {
    c->deaf = 1;
    pml__conn_mark(c);
  } else if (r == PML_ETOOBIG) {
    pml_conn_close(c, PML_END_TOOBIG, code ? code : PML_WS_TOO_BIG);
  } else {
    pml_conn_close(c, PML_END_PROTOCOL, code ? code : PML_WS_PROTOCOL);
  }
}

static void opened(pml_conn *c, uint8_t state) {
  pml_conns *s = c->s;
  c->state = state;
  s->o.hooks.on_open(c);
  if (!c->closing) pml_timer_stop(s->loop, &c->timer);
  c->late = 0;
}

static void feed_http(pml_conn *c, uint8_t *p, size_t n) {
  pml_ws_handshake_result r;
  int e = pml_ws_handshake_feed(&c->in.shake, p, n, &r);
  if (e == PML_EAGAIN) return;
  if (e) {
    pml_conn_close(c, PML_END_PROTOCOL, 0);
    return;
  }
  pml__conn_put(c, r.answer, pml_buf_slice(r.answer));
  if (r.status != 101) {
    pml_conn_close(c, PML_END_HANDSHAKE, 0);
    return;
  }
  pml_ws_handshake_fini(&c->in.shake);
  memset(&c->in.frame, 0, sizeof c->in.frame);
  pml__conn_mark(c);
  opened(c, PML__WEBSOCKET);
  if (n > r.used && !c->deaf) feed_ws(c, p + r.used, n - r.used);
}

static void feed(pml_conn *c, uint8_t *p, size_t n) {
  if (c->state == PML__WAITING) {
    if (p[0] >= 'A' && p[0] <= 'Z') {
      c->state = PML__UPGRADING;
    } else if (p[0] >= 1 && p[0] <= 5) {
      opened(c, PML__STREAMING);
    } else {
      pml_conn_close(c, PML_END_PROTOCOL, 0);
    }
  }
  if (c->state == PML__WEBSOCKET) {
    if (!c->deaf) feed_ws(c, p, n);
  } else if (c->closing) {
    return; /* dropped while the close is under way */
  } else if (c->state == PML__UPGRADING) {
    feed_http(c, p, n);
  } else {
    deliver(c, PML_STREAM, pml_slice_of(p, n), 0);
  }
}

static void on_eof(pml_conn *c) {
  c->eof = 1;
  if (c->closing) {
    pml__conn_mark(c);
    return;
  }
  /* It may still read: what is queued is flushed. */
  pml__conn_begin_close(c, PML_END_PEER, c->state == PML__WEBSOCKET ? PML_WS_ABNORMAL : 0,
                        c->q != NULL);
}

/* A system without memory for a read keeps what came: it is asked again a little later. */
static void starve(pml_conn *c) {
  pml_conns *s = c->s;
  c->unread = 1;
  if (!pml_timer_running(&s->reread)) pml_timer_start(s->loop, &s->reread, PML__RETRY_MS);
}

static void on_reread(pml_timer *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, reread);
  for (pml_list *n = s->all.next; n != &s->all; n = n->next) {
    pml_conn *c = PML_CONTAINER(n, pml_conn, node);
    if (!c->unread) continue;
    c->unread = 0;
    if (!c->gone && pml__conn_read_start(c)) pml__conn_die(c, PML_END_ERROR);
  }
}

void pml__feed_init(pml_conns *s) { pml_timer_init(&s->reread, on_reread); }

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *out) {
  (void)h;
  (void)hint;
  *out = uv_buf_init(NULL, 0);
}

/* libuv says that there is something, with UV_ENOBUFS, as it got no buffer: it would read up to 32
 * times from one socket, and after any error never again. */
static void on_readable(uv_stream_t *h, ssize_t n, const uv_buf_t *buf) {
  pml_conn *c = h->data;
  pml_conns *s = c->s;
  (void)n;
  (void)buf;
  if (c->gone) return;
  ssize_t got = recv(c->fd, s->read, sizeof s->read, MSG_DONTWAIT);
  if (got > 0) {
    c->last_ms = (uint32_t)pml_loop_now(s->loop);
    s->counts.bytes_in += (size_t)got;
    if (!c->dead) feed(c, s->read, (size_t)got);
    return;
  }
  int err = got < 0 ? errno : 0;
  if (err == EAGAIN || err == EINTR) return;
  uv_read_stop(h);
  if (!err) on_eof(c);
  else if (err == ENOMEM || err == ENOBUFS) starve(c);
  else pml__conn_fail(c, err);
}

int pml__conn_read_start(pml_conn *c) {
  return uv_read_start(pml__conn_stream(c), on_alloc, on_readable);
}
