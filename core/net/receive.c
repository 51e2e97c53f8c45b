/* receive: what comes in from a socket: one read per turn, through the reader to the hooks. */
#include "net/conn_private.h"

#include "base/container.h"
#include "base/err.h"

#include <errno.h>
#include <sys/socket.h>

static int on_opened(int is_ws, void *ud) {
  pml_conn *c = ud;
  pml_conns *s = c->s;
  c->transport = is_ws ? PML__WEBSOCKET : PML__STREAMING;
  s->o.hooks.on_open(c);
  if (c->life == PML__OPEN) pml_timer_stop(s->loop, &c->timer);
  c->late = 0;
  return c->discard_input ? PML_ECLOSED : 0;
}

static int on_piece(int kind, pml_slice bytes, int fin, void *ud) {
  pml_conn *c = ud;
  int r = c->life == PML__OPEN ? c->s->o.hooks.on_bytes(c, kind, bytes, fin) : 0;
  if (r == PML_ETOOBIG) pml_conn_close(c, PML_END_TOOBIG, PML_WS_TOO_BIG);
  else if (r) pml_conn_close(c, PML_END_PROTOCOL, PML_WS_PROTOCOL);
  return c->discard_input ? PML_ECLOSED : 0; /* a closing WebSocket is read until its close frame */
}

static int on_reply(pml_buf *block, void *ud) {
  pml_conn *c = ud;
  if (c->life != PML__OPEN) {
    pml_buf_unref(block);
    return 0;
  }
  pml__conn_put(c, block, pml_buf_slice(block));
  pml__conn_queued(c);
  return 0;
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

static void feed(pml_conn *c, uint8_t *p, size_t n) {
  static const pml_reader_hooks hooks = {on_opened, on_piece, on_reply, on_refused, on_close_frame};
  /* A closing WebSocket is read until its close frame, a closing TCP connection is not. */
  if (c->discard_input || (c->life != PML__OPEN && c->transport != PML__WEBSOCKET)) return;
  int r = pml_reader_feed(&c->reader, p, n, c->s->o.limits.ws_frame_max, &hooks, c);
  if (!r || r == PML_ECLOSED) return;
  if (c->life != PML__OPEN) {
    c->discard_input = 1;
    pml__conn_mark(c);
  } else {
    pml_conn_close(c, r == PML_ETOOBIG ? PML_END_TOOBIG : PML_END_PROTOCOL, c->reader.code);
  }
}

static void on_eof(pml_conn *c) {
  c->got_eof = 1;
  if (c->life != PML__OPEN) {
    pml__conn_mark(c);
    return;
  }
  /* The client may still read: what is queued is flushed. */
  pml__conn_begin_close(c, PML_END_PEER, c->transport == PML__WEBSOCKET ? PML_WS_ABNORMAL : 0,
                        c->q != NULL);
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

void pml__receive_init(pml_conns *s) { pml_timer_init(&s->reread, on_reread); }

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
    if (c->life < PML__ABANDONED) feed(c, s->read, (size_t)got);
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
