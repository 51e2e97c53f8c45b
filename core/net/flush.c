/* flush: sending. pml_conn_send queues; all that is queued is written when the turn ends. */
#include "net/conn_private.h"

#include "base/container.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

/* Bytes that the system holds unsent for a connection that has got a `latest` or a `drop` push;
 * then it takes no more. Few, because what it holds is neither replaced nor dropped; what is under
 * way in the network is not limited by it. */
#define UNSENT_LOW 1024
#define COPY_FROM 3u /* fewer blocks are not copied together: passing each one is cheaper */

/* What queue_hard counts. */
static size_t behind_oldest(const pml_conn *c) {
  return (c->q ? pml__outq_behind(c->q) : 0) + pml__conn_sealed(c);
}

static void after_write(pml_conn *c, size_t n) {
  pml_conns *s = c->s;
  s->counts.bytes_out += n;
  c->sent += (uint32_t)n;
  if (c->tls) pml__tls_sent(c->tls, n);
  else pml__outq_pop(c->q, &s->refs, n);
  pml__conn_charge(c);
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
  uint32_t blocks;
  unsigned n = pml__outq_gather(q, iov, NULL, &blocks, &req->bytes);
  pml__outq_hold(q, blocks);
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

static void on_writable(void *ud) {
  pml_conn *c = ud;
  c->full = 0;
  pml__conn_mark(c);
}

/* The socket did not take all. libuv gets the rest, except for a connection whose queue may still
 * change: that one is flushed again when its socket takes more. */
static int wait_for_room(pml_conn *c) {
  pml_conns *s = c->s;
  pml__conn_waits(c);
  if (!c->keeps && !c->tls) return write_rest(c);
  if (!s->writable) s->writable = pml_writable_new(s->loop, on_writable);
  if (s->writable && !pml_writable_wait(s->writable, c->fd, c)) {
    c->full = 1;
    return 0;
  }
  if (!c->tls) return write_rest(c);
  starve(c); /* the system has no descriptor, or no memory */
  return 0;
}

/* A system's block of unsent bytes ends with each write of a connection that keeps its queue: bytes
 * that are added to an open one do not count against UNSENT_LOW. */
static int flags(const pml_conn *c) {
  return MSG_DONTWAIT | MSG_NOSIGNAL | (c->keeps ? MSG_EOR : 0);
}

/* Writes as much as the socket takes now. libuv is passed over, as it has nothing to write then.
 * Bytes, or a negative errno, which is libuv's code as well. */
static ssize_t write_now(const pml_conn *c, uv_buf_t *iov, unsigned n) {
  struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n}; /* as uv.h promises */
  ssize_t r = n == 1 ? send(c->fd, iov->base, iov->len, flags(c)) : sendmsg(c->fd, &m, flags(c));
  return r < 0 ? -errno : r;
}

/* The same for what TLS has encrypted. */
static ssize_t write_sealed(pml_conn *c) {
  pml_slice p = pml__tls_unsent(c->tls);
  uv_buf_t one = uv_buf_init((char *)(uintptr_t)p.p, (unsigned)p.n);
  c->s->counts.writes++;
  return write_now(c, &one, 1);
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

/* The socket took `done` of `total` bytes that were offered; a negative done is an errno. */
static void wrote(pml_conn *c, ssize_t done, size_t total) {
  if (c->life >= PML__ABANDONED) { /* the last words of its TLS, which are offered once */
    pml__tls_sent(c->tls, total);
    return;
  }
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
  pml__conn_queue_done(c);
  if (pml__conn_flushed(c)) return;
  if (n == total) pml__conn_mark(c); /* the rest in the next turn: other connections come first */
  else if (wait_for_room(c)) pml__conn_die(c, PML_END_ERROR);
}

static void flush(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->tls) {
    wrote(c, write_sealed(c), pml__conn_sealed(c));
    return;
  }
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
  size_t total = pml__conn_sealed(c);
  if (!c->tls) {
    total = c->q->offered;
    c->q->held = 0;
  }
  wrote(c, result, total);
}

static void ring_run(pml_conns *s) {
  pml_ring_run(s->ring, sent);
  s->used = 0;
}

static void ring_send(pml_conn *c, const uint8_t *p, size_t n) {
  pml_conns *s = c->s;
  s->counts.writes++;
  if (pml_ring_send(s->ring, c->fd, p, n, flags(c), c)) return;
  pml_ring_run(s->ring, sent); /* the scratch that holds p stays in use */
  pml_ring_send(s->ring, c->fd, p, n, flags(c), c);
}

static int in_ring(pml_conn *c) {
  if (c->ring == PML__NOT_IN_RING)
    c->ring = pml_ring_remember(c->s->ring, c->fd) ? PML__IN_RING : PML__RING_REFUSED;
  return c->ring == PML__IN_RING;
}

/* Adds what c has to the ring's batch. 0: it is to be written in the ordinary way. */
static int ring_add(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->tls) {
    pml_slice sealed = pml__tls_unsent(c->tls);
    if (!in_ring(c)) return 0;
    ring_send(c, sealed.p, sealed.n);
    return 1;
  }
  pml__outq *q = c->q;
  size_t n = pml__outq_length(q);
  if (n > PML__OUTQ_TOGETHER || !in_ring(c)) return 0;
  if (q->count > 1 && s->used + n > PML__SCRATCH) ring_run(s);
  const uint8_t *p = pml__outq_at(q, 0)->b->data + pml__outq_at(q, 0)->off;
  if (q->count > 1) {
    p = s->scratch + s->used;
    pml__outq_copy(q, s->scratch + s->used);
    s->used += n;
  }
  q->held = q->count;
  q->offered = n;
  ring_send(c, p, n);
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
  if (c->life == PML__CLOSING && pml__conn_flushed(c)) pml__conn_linger(c);
  /* One that was marked again, by on_end or while it was abandoned, is closed in that turn. */
  if (c->life >= PML__ABANDONED && !c->marked) pml__conn_bury(c);
}

/* Encrypts what comes next. Whether something is to be written. */
static int seal(pml_conn *c) {
  if (pml__tls_seal(c->tls, c->q, &c->s->refs)) pml__conn_die(c, PML_END_ERROR);
  pml__conn_queue_done(c);
  return c->life < PML__ABANDONED && pml__conn_sealed(c);
}

/* Whether something of c is to be written now. What TLS says about an error is offered to the
 * socket once, as the connection ends with it. */
static int is_due(pml_conn *c) {
  if (c->full) return 0;
  if (c->life >= PML__ABANDONED)
    return c->life == PML__ABANDONED && c->tls && pml__tls_state_of(c->tls) == PML__TLS_BROKEN &&
           pml__conn_sealed(c);
  if (c->tls) return seal(c);
  if (!c->q || c->q->req || !c->q->count) return 0;
  pml__outq_settle(c->q);
  return 1;
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
    if (!is_due(c)) continue;
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

/* The same as `over` over TLS. */
static int over_tls(pml_conn *c) {
  size_t hard = c->s->o.limits.queue_hard;
  while (behind_oldest(c) > hard && seal(c)) {
    ssize_t r = write_sealed(c);
    if (r <= 0) break;
    after_write(c, (size_t)r);
  }
  return behind_oldest(c) > hard;
}

/* More than queue_hard waits: whether that is the client's fault. A script may send much in one
 * turn to a client that reads, so the socket is offered it first. While libuv has a write under way
 * nothing may be written before it: if the socket takes more, the client has time until the next
 * turn, and room for another queue_hard. An error is left to the flush. */
static int over(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->tls) return over_tls(c);
  pml__outq *q = c->q;
  size_t hard = s->o.limits.queue_hard;
  if (q->req) return pml__outq_behind(q) > 2 * hard || !takes(c);
  pml__outq_settle(q);
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
  if (behind_oldest(c) > m->queue_hard && over(c)) {
    pml_conn_close(c, PML_END_SLOW, 0);
    return;
  }
  if (pml__conn_waiting(c) > m->queue_soft && !c->over) pml__conn_over(c);
  pml__conn_mark(c);
  pml__conn_charge(c);
  if (pml__evict_due(c->s)) pml__evict_look(c->s);
}

void pml_conn_send(pml_conn *c, pml_buf *frame) {
  if (c->life != PML__OPEN || c->transport == PML__UNKNOWN) return;
  pml__conn_put(c, pml_refs_take(&c->s->refs, frame),
                c->transport == PML__WEBSOCKET ? pml_frame_ws(frame) : pml_frame_package(frame));
  pml__conn_queued(c);
}

/* From here on what the socket does not take stays in the queue. */
static void keep(pml_conn *c) {
  int low = UNSENT_LOW;
  c->keeps = 1;
  /* A system that refuses keeps more to itself; nothing else changes. */
  setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof low);
}

/* Whether what was written in earlier turns still waits, or more of this turn than may wait long.
 */
static int behind(const pml_conn *c) {
  return c->full || (c->q && (c->q->req || c->q->bytes > c->s->o.limits.queue_soft));
}

pml_offered pml_conn_offer(pml_conn *c, pml_buf *frame, pml_delivery how) {
  pml_conns *s = c->s;
  int taken = 0;
  if (c->life != PML__OPEN || c->transport == PML__UNKNOWN) return pml_offered_nowhere(how);
  if (!c->keeps) keep(c);
  if (how.policy == PML_DROP && behind(c)) {
    s->counts.dropped++;
    return PML_OFFER_DROPPED;
  }
  pml_slice part = c->transport == PML__WEBSOCKET ? pml_frame_ws(frame) : pml_frame_package(frame);
  pml_buf *b = pml_refs_take(&s->refs, frame);
  if (how.identity) taken = pml__outq_replace(&s->spare, &s->refs, &c->q, b, part, how.identity);
  else pml__conn_put(c, b, part);
  s->counts.replaced += (uint64_t)taken;
  pml__conn_queued(c);
  return taken ? PML_OFFER_REPLACED : PML_OFFER_QUEUED;
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
