/* flush: sending. pml_conn_send queues; all that is queued is written when the turn ends. */
#include "net/conn_private.h"

#include "base/container.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define COPY_FROM 3u /* fewer blocks are not copied together: passing each one is cheaper */

static void after_write(pml_conn *c, size_t n) {
  pml_conns *s = c->s;
  s->counts.bytes_out += n;
  pml__outq_pop(c->q, &s->refs, n);
  if (c->life == PML__OPEN && c->q->bytes <= s->o.limits.queue_soft) {
    pml_timer_stop(s->loop, &c->timer);
    c->late = 0;
  }
}

static void on_written(uv_write_t *w, int status) {
  pml_conn *c = w->data;
  pml__write *req = PML_CONTAINER(w, pml__write, w);
  size_t n = req->bytes;
  c->q->req = NULL; /* ours: a queue stays while a write is under way */
  c->q->held = 0;
  pml_free(req);
  if (c->life == PML__UV_CLOSING) {
    pml__conn_queue_done(c);
    return;
  }
  if (status < 0) {
    if (status != UV_ECANCELED) pml__conn_fail(c, -status);
    return;
  }
  after_write(c, n);
  if (c->q->count || c->life != PML__OPEN) pml__conn_mark(c);
  pml__conn_queue_done(c);
  pml_refs_settle(&c->s->refs);
}

/* Hands what the socket did not take to libuv, in one request. */
static int write_rest(pml_conn *c) {
  uv_buf_t iov[PML__OUTQ_IOV];
  pml__outq *q = c->q;
  pml__write *req = pml_alloc(sizeof *req);
  unsigned n = pml__outq_gather(q, iov, NULL, &q->held, &req->bytes);
  req->w.data = c;
  q->req = req;
  c->s->counts.writes++;
  int r = uv_write(&req->w, pml__conn_stream(c), iov, n, on_written);
  if (r) {
    q->req = NULL;
    q->held = 0;
    pml_free(req);
  }
  return r;
}

/* Writes as much as the socket takes now. libuv is passed over, as it has nothing to write then.
 * Bytes, or a negative errno, which is libuv's code as well. */
static ssize_t write_now(const pml_conn *c, uv_buf_t *iov, unsigned n) {
  struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n}; /* as uv.h promises */
  ssize_t r = n == 1 ? send(c->fd, iov->base, iov->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                     : sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
  return r < 0 ? -errno : r;
}

static void on_retry(pml_timer *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, retry);
  while (s->starved) {
    pml_conn *c = s->starved;
    s->starved = c->next_marked;
    c->marked = 0;
    pml__conn_mark(c);
  }
}

/* The system has no memory for a send now: c is flushed PML__RETRY_MS later. It counts as marked
 * until then, so that it is not freed. */
static void starve(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->marked) return;
  c->marked = 1;
  c->next_marked = s->starved;
  s->starved = c;
  if (!pml_timer_running(&s->retry)) pml_timer_start(s->loop, &s->retry, PML__RETRY_MS);
}

/* The socket took `done` of `total` bytes that were offered; a negative done is an errno. */
static void wrote(pml_conn *c, ssize_t done, size_t total) {
  pml__outq *q = c->q;
  if (done == -ENOBUFS || done == -ENOMEM) {
    starve(c);
    return;
  }
  if (done < 0 && done != -EAGAIN && done != -EINTR) {
    pml__conn_fail(c, (int)-done);
    return;
  }
  size_t n = done < 0 ? 0 : (size_t)done;
  after_write(c, n);
  if (!q->count) pml__conn_queue_done(c);
  else if (n == total)
    pml__conn_mark(c); /* the rest in the next turn: other connections come first */
  else if (write_rest(c)) pml__conn_die(c, PML_END_ERROR);
}

static void flush(pml_conn *c) {
  pml_conns *s = c->s;
  pml__outq *q = c->q;
  uv_buf_t iov[PML__OUTQ_IOV];
  uint32_t blocks;
  size_t total;
  unsigned n = pml__outq_gather(q, iov, q->count >= COPY_FROM ? s->scratch : NULL, &blocks, &total);
  s->counts.writes++;
  wrote(c, write_now(c, iov, n), total);
}

/* ---- all writes of a turn in one system call ---- */

static void sent(void *ud, int result) {
  pml_conn *c = ud;
  pml__outq *q = c->q;
  size_t total = q->offered;
  q->held = 0;
  wrote(c, result, total);
}

static void ring_run(pml_conns *s) {
  pml_ring_run(s->ring, sent);
  s->used = 0;
}

/* Adds what c has to the ring's batch. 0: it is to be written in the ordinary way. */
static int ring_add(pml_conn *c) {
  pml_conns *s = c->s;
  pml__outq *q = c->q;
  size_t n = pml__outq_length(q);
  if (n > PML__OUTQ_TOGETHER || c->ring == PML__RING_REFUSED) return 0;
  if (c->ring == PML__NOT_IN_RING) {
    c->ring = pml_ring_remember(s->ring, c->fd) ? PML__IN_RING : PML__RING_REFUSED;
    if (c->ring == PML__RING_REFUSED) return 0;
  }
  if (q->count > 1 && s->used + n > PML__SCRATCH) ring_run(s);
  const uint8_t *p = pml__outq_at(q, 0)->b->data + pml__outq_at(q, 0)->off;
  if (q->count > 1) {
    p = s->scratch + s->used;
    pml__outq_copy(q, s->scratch + s->used);
    s->used += n;
  }
  q->held = q->count;
  q->offered = n;
  s->counts.writes++;
  if (!pml_ring_send(s->ring, c->fd, p, n, c)) {
    pml_ring_run(s->ring, sent); /* the scratch that holds p stays in use */
    pml_ring_send(s->ring, c->fd, p, n, c);
  }
  return 1;
}

/* The end of a turn for one connection: the only caller of on_end and of uv_close. */
static void settle(pml_conn *c) {
  if (c->life != PML__OPEN && !c->end_reported) {
    pml_conns *s = c->s;
    c->end_reported = 1;
    pml__conn_count_end(c);
    s->o.hooks.on_end(c, c->why, c->end_code);
  }
  if (c->life == PML__CLOSING && !c->q) pml__conn_linger(c);
  /* One that was marked again, by on_end or while it was abandoned, is closed in that turn. */
  if (c->life >= PML__ABANDONED && !c->marked) pml__conn_bury(c);
}

static void flush_all(pml_task *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, flush);
  pml_conn **turn = s->turn;
  unsigned n = 0;
  for (; s->marked && n < PML__FLUSHES; n++) {
    turn[n] = s->marked;
    s->marked = turn[n]->next_marked;
    turn[n]->marked = 0;
  }
  if (!s->marked) s->marked_end = &s->marked;
  int together = s->ring && n >= PML__RING_FROM;
  for (unsigned i = 0; i < n; i++) {
    pml_conn *c = turn[i];
    if (i + 4 < n) __builtin_prefetch(&turn[i + 4]->s);
    if (i + 2 < n && turn[i + 2]->q)
      __builtin_prefetch(turn[i + 2]->q); /* turn[i + 2] itself was prefetched two rounds ago */
    if (c->life >= PML__ABANDONED || !c->q || c->q->req || !c->q->count) continue;
    if (together && ring_add(c)) continue;
    if (together) ring_run(s); /* it uses the same scratch */
    flush(c);
  }
  if (together) ring_run(s);
  for (unsigned i = 0; i < n; i++) settle(turn[i]);
  pml_refs_settle(&s->refs);
  /* Connections left over come before those that were marked meanwhile. */
  if (s->marked) pml_loop_defer(s->loop, &s->flush);
}

void pml__flush_init(pml_conns *s) {
  pml_task_init(&s->flush, flush_all);
  pml_timer_init(&s->retry, on_retry);
}

/* Whether the socket takes more now: libuv asks it only when the loop polls. */
static int takes(const pml_conn *c) {
  struct pollfd p = {.fd = c->fd, .events = POLLOUT};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT;
}

/* More than queue_hard waits: whether that is the client's fault. A script may send much in one
 * turn to a client that reads, so the socket is offered it first. While libuv has a write under way
 * nothing may be written before it: if the socket takes more, the client has time until the next
 * turn, and room for another queue_hard. An error is left to the flush. */
static int over(pml_conn *c) {
  pml_conns *s = c->s;
  pml__outq *q = c->q;
  size_t hard = s->o.limits.queue_hard;
  if (q->req) return pml__outq_behind(q) > 2 * hard || !takes(c);
  while (!q->held && pml__outq_behind(q) > hard) {
    uv_buf_t iov[PML__OUTQ_IOV];
    uint32_t blocks;
    size_t total;
    unsigned n = pml__outq_gather(q, iov, NULL, &blocks, &total);
    s->counts.writes++;
    ssize_t r = write_now(c, iov, n);
    if (r <= 0) break;
    after_write(c, (size_t)r);
  }
  return pml__outq_behind(q) > hard;
}

void pml__conn_queued(pml_conn *c) {
  const pml_conn_limits *m = &c->s->o.limits;
  if (pml__outq_behind(c->q) > m->queue_hard && over(c)) {
    pml_conn_close(c, PML_END_SLOW, 0);
    return;
  }
  if (c->q->bytes > m->queue_soft && !pml_timer_running(&c->timer)) {
    c->unsent = pml__conn_unsent(c);
    pml_timer_start(pml_conn_loop(c), &c->timer, m->queue_ms);
  }
  pml__conn_mark(c);
}

void pml_conn_send(pml_conn *c, pml_buf *frame) {
  if (c->life != PML__OPEN || c->transport == PML__UNKNOWN) return;
  pml__conn_put(c, pml_refs_take(&c->s->refs, frame),
                c->transport == PML__WEBSOCKET ? pml_frame_ws(frame) : pml_frame_package(frame));
  pml__conn_queued(c);
}

void pml_conn_send_ws(pml_conn *c, uint8_t op, pml_buf *payload) {
  if (c->life != PML__OPEN || c->transport != PML__WEBSOCKET) return;
  uint8_t head[10];
  pml_writer w = {0};
  pml_writer_put(&w, head, pml_ws_frame_write_head(head, op, 1, payload->len));
  pml_writer_put(&w, payload->data, payload->len);
  pml_buf *b = pml_writer_finish(&w);
  pml__conn_put(c, b, pml_buf_slice(b));
  pml__conn_queued(c);
}

void pml_conn_ping(pml_conn *c) {
  if (c->life != PML__OPEN || c->transport != PML__WEBSOCKET) return;
  pml_buf *b = pml_ws_frame_control(PML_WS_PING, NULL, 0);
  pml__conn_put(c, b, pml_buf_slice(b));
  c->s->counts.pings++;
  pml__conn_queued(c);
}
