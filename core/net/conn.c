#include "net/conn_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/frame.h"
#include "wire/wsframe.h"
#include "wire/wshake.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define QUEUE_FIRST 8u
#define IOV_FLUSH 128u /* blocks per system call, below IOV_MAX everywhere */
#define FLUSH_BYTES (1u << 20)
#define COPY_BELOW 1024u /* larger blocks go by reference */
#define COPY_FROM 3u     /* fewer blocks are cheaper by reference */
#define RETRY_MS 10u     /* a system without memory for a send is asked again */
#define READS_SHARE 16u  /* who reads a 16th of queue_soft in queue_ms reads */

enum { WAITING, UPGRADING, STREAMING, WEBSOCKET };

/* What a send and the flush look at stands together, at the end. */
struct pml_conn {
  uv_tcp_t tcp;
  pml_list node;
  pml_timer timer; /* upgrade, then slow, then linger */
  union {
    pml_wshake shake;  /* UPGRADING */
    pml_wsframe frame; /* WEBSOCKET */
  } in;
  pml_listener *s;
  pml_conn *next_dirty;
  pml__queue *q;
  int fd;
  uint32_t last_ms;
  uint32_t since_ms; /* when the close began */
  uint32_t unsent;   /* bytes, when the timer was started: what progress is measured by */
  uint16_t end_code;
  uint8_t state, why, late;
  unsigned dirty : 1;
  unsigned closing : 1;   /* pml_conn_close or an end was seen */
  unsigned told : 1;      /* on_end was called */
  unsigned dead : 1;      /* nothing more to flush or wait for */
  unsigned gone : 1;      /* uv_close was called */
  unsigned eof : 1;       /* the peer sends no more */
  unsigned shut : 1;      /* we send no more */
  unsigned deaf : 1;      /* what comes is dropped unparsed */
  unsigned close_got : 1; /* the peer's close frame */
  unsigned known : 1;     /* the ring remembers the socket */
  unsigned strange : 1;   /* it cannot */
};

typedef struct pml__write {
  uv_write_t w; /* data: the conn */
  size_t bytes;
} pml__write;

static const char *const end_names[] = {
  [PML_END_NONE] = "none",   [PML_END_PEER] = "peer",           [PML_END_ERROR] = "error",
  [PML_END_ASKED] = "asked", [PML_END_PROTOCOL] = "protocol",   [PML_END_TOOBIG] = "toobig",
  [PML_END_SLOW] = "slow",   [PML_END_HANDSHAKE] = "handshake", [PML_END_HEARTBEAT] = "heartbeat",
  [PML_END_FULL] = "full",
};

const char *pml_end_name(pml_end why) {
  return (size_t)why < sizeof end_names / sizeof *end_names ? end_names[why] : "none";
}

static pml_listener *listener_of(const pml_conn *c) { return c->s; }
static uv_stream_t *stream_of(pml_conn *c) { return (uv_stream_t *)&c->tcp; }

void *pml_conn_user(pml_conn *c) { return c + 1; }
pml_conn *pml_conn_of_user(void *user) { return (pml_conn *)user - 1; }
pml_loop *pml_conn_loop(pml_conn *c) { return listener_of(c)->loop; }
void *pml_conn_owner(pml_conn *c) { return listener_of(c)->o.owner; }
pml_net_counts *pml_conn_counts(pml_conn *c) { return &listener_of(c)->counts; }
int pml_conn_is_ws(const pml_conn *c) { return c->state == WEBSOCKET; }
int pml_conn_closing(const pml_conn *c) { return c->closing; }
pml_conn *pml__conn_of_node(pml_list *node) { return PML_LIST_OBJ(node, pml_conn, node); }

uint32_t pml__conn_waited(const pml_conn *c) {
  const pml_listener *s = listener_of(c);
  uint64_t now = pml_loop_now(s->loop), end = now + s->o.limits.upgrade_ms;
  return pml_timer_running(&c->timer) && c->timer.due < end ? (uint32_t)(end - c->timer.due) : 0;
}

uint32_t pml__conn_quiet(const pml_conn *c) {
  return (uint32_t)pml_loop_now(listener_of(c)->loop) - c->last_ms;
}

void pml_conn_address(pml_conn *c, char ip[46], int *port) {
  struct sockaddr_storage a;
  int n = sizeof a;
  ip[0] = 0;
  *port = 0;
  if (c->gone || uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n)) return;
  if (a.ss_family == AF_INET6) {
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a;
    const uint8_t *b = six->sin6_addr.s6_addr;
    *port = ntohs(six->sin6_port);
    /* A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d. */
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) uv_inet_ntop(AF_INET, b + 12, ip, 46);
    else uv_ip6_name(six, ip, 46);
  } else {
    const struct sockaddr_in *four = (const struct sockaddr_in *)&a;
    *port = ntohs(four->sin_port);
    uv_ip4_name(four, ip, 46);
  }
}

/* ---- the queue of outgoing blocks ---- */

static pml__queue *queue_new(pml_listener *s, uint32_t cap) {
  pml__queue *q = cap == QUEUE_FIRST ? s->spare : NULL;
  if (q) {
    s->spare = q->spare;
    s->nspare--;
  } else {
    q = pml_alloc(sizeof *q + cap * sizeof *q->item);
    q->cap = cap;
  }
  q->head = q->count = q->held = 0;
  q->cut = 0;
  q->bytes = 0;
  q->req = NULL;
  q->spare = NULL;
  return q;
}

static void queue_free(pml_listener *s, pml__queue *q) {
  if (q->cap == QUEUE_FIRST && s->nspare < PML__SPARE_QUEUES) {
    q->spare = s->spare;
    s->spare = q;
    s->nspare++;
  } else {
    pml_free(q);
  }
}

void pml__conn_free_spares(pml_listener *s) {
  while (s->spare) {
    pml__queue *q = s->spare;
    s->spare = q->spare;
    pml_free(q);
  }
  s->nspare = 0;
}

static pml__out *queue_at(pml__queue *q, uint32_t i) {
  return &q->item[(q->head + i) & (q->cap - 1)];
}

static pml__queue *queue_grow(pml_listener *s, pml__queue *q) {
  pml__queue *big = queue_new(s, q->cap * 2);
  for (uint32_t i = 0; i < q->count; i++) big->item[i] = *queue_at(q, i);
  big->count = q->count;
  big->bytes = q->bytes;
  big->req = q->req;
  big->held = q->held;
  big->cut = q->cut;
  queue_free(s, q);
  return big;
}

/* Takes one reference to b. */
static void queue_put(pml_conn *c, pml_buf *b, pml_slice part) {
  pml_listener *s = listener_of(c);
  if (!c->q) c->q = queue_new(s, QUEUE_FIRST);
  else if (c->q->count == c->q->cap) c->q = queue_grow(s, c->q);
  pml__queue *q = c->q;
  pml__out *o = queue_at(q, q->count++);
  o->b = b;
  o->off = (uint32_t)(part.p - b->data);
  o->len = (uint32_t)part.n;
  q->bytes += part.n + sizeof *o;
}

/* n bytes were written. Releases the blocks that are done. */
static void queue_pop(pml_listener *s, pml__queue *q, size_t n) {
  while (q->count) {
    pml__out *o = queue_at(q, 0);
    if (n < o->len) {
      o->off += (uint32_t)n;
      o->len -= (uint32_t)n;
      q->bytes -= n;
      if (n) q->cut = 1;
      return;
    }
    n -= o->len;
    q->bytes -= o->len + sizeof *o;
    pml_refs_give(&s->refs, o->b);
    q->cut = 0;
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
  }
}

/* Releases the blocks behind the first `keep`. */
static void queue_cut(pml__queue *q, uint32_t keep) {
  while (q->count > keep) {
    pml__out *o = queue_at(q, --q->count);
    q->bytes -= o->len + sizeof *o;
    pml_buf_unref(o->b);
  }
}

/* The bytes behind the oldest block. That one may be as long as a message can be: limits are
 * for what waits behind it. */
static size_t behind(pml__queue *q) {
  return q->count ? q->bytes - queue_at(q, 0)->len - sizeof(pml__out) : 0;
}

/* Bytes that the peer's system has not acknowledged: queued here, at libuv, in the kernel. */
static uint32_t unsent(pml_conn *c) {
  size_t n = 0;
  int kernel = 0;
  if (c->q) {
    n = c->q->bytes;
    if (c->q->req) n = n - c->q->req->bytes + uv_stream_get_write_queue_size(stream_of(c));
  }
  if (ioctl(c->fd, SIOCOUTQ, &kernel) == 0 && kernel > 0) n += (size_t)kernel;
  return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Drops the queue itself once it is empty and libuv has nothing of it. */
static void queue_done(pml_conn *c) {
  if (!c->q || c->q->count || c->q->req) return;
  queue_free(listener_of(c), c->q);
  c->q = NULL;
}

static void mark(pml_conn *c) {
  pml_listener *s = listener_of(c);
  if (c->dirty || c->gone) return;
  c->dirty = 1;
  c->next_dirty = NULL;
  if (!s->dirty) pml_loop_defer(s->loop, &s->flush);
  *s->dirty_end = c;
  s->dirty_end = &c->next_dirty;
}

/* ---- the end ---- */

static void begin_close(pml_conn *c, pml_end why, uint16_t code, int graceful) {
  pml_listener *s = listener_of(c);
  c->closing = 1;
  c->why = (uint8_t)why;
  c->end_code = code;
  pml_timer_stop(s->loop, &c->timer);
  pml_refs_settle(&s->refs);
  if (graceful) {
    c->since_ms = (uint32_t)pml_loop_now(s->loop);
    c->unsent = unsent(c);
    pml_timer_start(s->loop, &c->timer, s->o.limits.linger_ms);
  } else {
    c->dead = 1;
    if (c->q) queue_cut(c->q, c->q->held);
  }
  mark(c);
}

/* Not worth waiting for any more. */
static void die(pml_conn *c, pml_end why) {
  if (!c->closing) {
    begin_close(c, why, 0, 0);
    return;
  }
  c->dead = 1;
  mark(c);
}

void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code) {
  if (c->closing) return;
  int ws = c->state == WEBSOCKET, graceful = 0;
  if (why == PML_END_ASKED || why == PML_END_HANDSHAKE || why == PML_END_FULL) graceful = 1;
  if (why == PML_END_HEARTBEAT || why == PML_END_SLOW) {
    graceful = ws;
    /* What waits is given up, but for a frame that is partly out. */
    if (ws && c->q && why == PML_END_SLOW)
      queue_cut(c->q, c->q->held > c->q->cut ? c->q->held : c->q->cut);
  }
  if (why == PML_END_PROTOCOL || why == PML_END_TOOBIG) {
    graceful = ws;
    c->deaf = 1; /* its bytes make no sense from here on */
  }
  if (c->state == WAITING || (c->state == UPGRADING && !c->q)) graceful = 0;
  if (graceful && ws) {
    pml_buf *b = pml_wsframe_close(ws_code ? ws_code : PML_WS_NORMAL, NULL);
    queue_put(c, b, pml_buf_slice(b));
  }
  begin_close(c, why, 0, graceful);
}

static void count_end(pml_conn *c) {
  pml_listener *s = listener_of(c);
  pml_net_counts *n = &s->counts;
  switch ((pml_end)c->why) {
  case PML_END_PROTOCOL: n->protocol++; break;
  case PML_END_TOOBIG: n->toobig++; break;
  case PML_END_SLOW: n->slow++; break;
  case PML_END_HANDSHAKE: n->handshake++; break;
  case PML_END_HEARTBEAT: n->heartbeat++; break;
  default: return;
  }
  const pml_log *log = s->o.log;
  int bad = c->why == PML_END_PROTOCOL || c->why == PML_END_TOOBIG || c->why == PML_END_SLOW;
  pml_level level = bad ? PML_INFO : PML_DEBUG;
  const char *why = pml_end_name(c->why);
  char kind[64], ip[46];
  int port, k = snprintf(kind, sizeof kind, "clients closed: %s", why);
  if (!log || !pml_log_may(log, level, kind, (size_t)k, PML_LOG_LINES, 1000)) return;
  pml_conn_address(c, ip, &port);
  pml_log_write(log, level, "client %s:%d closed: %s", ip, port, why);
}

static void on_closed(uv_handle_t *h) {
  pml_conn *c = (pml_conn *)h;
  pml_listener *s = listener_of(c);
  if (c->q) {
    queue_cut(c->q, 0);
    assert(!c->q->req); /* ours: libuv calls write callbacks before this one */
    queue_done(c);
  }
  pml_list_remove(&c->node);
  s->counts.open--;
  s->counts.closed++;
  pml_free(c);
  pml__listener_conn_closed(s);
}

static void bury(pml_conn *c) {
  if (c->gone) return;
  c->gone = 1;
  if (c->known) {
    pml_ring_forget(listener_of(c)->ring, c->fd);
    shutdown(c->fd, SHUT_RDWR);
  }
  pml_timer_stop(listener_of(c)->loop, &c->timer);
  if (c->state == UPGRADING) pml_wshake_fini(&c->in.shake);
  if (c->state == WEBSOCKET) pml_wsframe_fini(&c->in.frame);
  uv_close((uv_handle_t *)&c->tcp, on_closed);
  /* From here libuv reads nothing of a write that is under way. */
  if (c->q) queue_cut(c->q, 0);
  queue_done(c);
}

static void on_shutdown(uv_shutdown_t *r, int status) {
  pml_conn *c = r->data;
  pml_free(r);
  if (status < 0 && status != UV_ECANCELED) die(c, PML_END_ERROR);
}

/* All is flushed. Says so to the peer, and waits for it to close. */
static void linger(pml_conn *c) {
  if (c->eof) {
    c->dead = 1;
    return;
  }
  if (c->state == WEBSOCKET && !c->deaf && !c->close_got) return;
  if (c->shut) return;
  c->shut = 1;
  uv_shutdown_t *r = pml_alloc(sizeof *r);
  r->data = c;
  if (uv_shutdown(r, stream_of(c), on_shutdown)) {
    pml_free(r);
    c->dead = 1;
  }
}

/* ---- writing ---- */

static unsigned gather(pml__queue *q, uv_buf_t *iov, uint8_t *scratch, uint32_t *blocks,
                       size_t *total) {
  unsigned n = 0;
  size_t used = 0, sum = 0;
  int run = 0;
  uint32_t i = 0;
  for (; i < q->count && n < IOV_FLUSH && sum < FLUSH_BYTES; i++) {
    pml__out *o = queue_at(q, i);
    uint8_t *p = o->b->data + o->off;
    sum += o->len;
    if (scratch && o->len < COPY_BELOW && used + o->len <= PML__TOGETHER) {
      memcpy(scratch + used, p, o->len);
      if (run) iov[n - 1].len += o->len;
      else iov[n++] = uv_buf_init((char *)scratch + used, o->len);
      used += o->len;
      run = 1;
    } else {
      iov[n++] = uv_buf_init((char *)p, o->len);
      run = 0;
    }
  }
  *blocks = i;
  *total = sum;
  return n;
}

static void after_write(pml_conn *c, size_t n) {
  pml_listener *s = listener_of(c);
  s->counts.bytes_out += n;
  queue_pop(s, c->q, n);
  if (!c->closing && c->q->bytes <= s->o.limits.queue_soft) {
    pml_timer_stop(s->loop, &c->timer);
    c->late = 0;
  }
}

static void on_written(uv_write_t *w, int status) {
  pml_conn *c = w->data;
  pml__write *req = (pml__write *)w;
  size_t n = req->bytes;
  c->q->req = NULL; /* ours: a queue stays while a write is under way */
  c->q->held = 0;
  pml_free(req);
  if (c->gone) {
    queue_done(c);
    return;
  }
  if (status < 0) {
    if (status != UV_ECANCELED) die(c, PML_END_ERROR);
    return;
  }
  after_write(c, n);
  if (c->q->count || c->closing) mark(c);
  queue_done(c);
  pml_refs_settle(&listener_of(c)->refs);
}

/* What the socket did not take goes to libuv, in one request. */
static int write_rest(pml_conn *c) {
  uv_buf_t iov[IOV_FLUSH];
  pml__queue *q = c->q;
  pml__write *req = pml_alloc(sizeof *req);
  unsigned n = gather(q, iov, NULL, &q->held, &req->bytes);
  req->w.data = c;
  q->req = req;
  listener_of(c)->counts.writes++;
  int r = uv_write(&req->w, stream_of(c), iov, n, on_written);
  if (r) {
    q->req = NULL;
    q->held = 0;
    pml_free(req);
  }
  return r;
}

/* As much as the socket takes now, not through libuv, which has nothing to write: bytes or a
 * negative errno, which is also libuv's code. */
static ssize_t write_now(const pml_conn *c, uv_buf_t *iov, unsigned n) {
  struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n}; /* as uv.h promises */
  ssize_t r = n == 1 ? send(c->fd, iov->base, iov->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                     : sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
  return r < 0 ? -errno : r;
}

static void on_retry(pml_timer *t) {
  pml_listener *s = PML_LIST_OBJ(t, pml_listener, retry);
  while (s->starved) {
    pml_conn *c = s->starved;
    s->starved = c->next_dirty;
    c->dirty = 0;
    mark(c);
  }
}

void pml__conn_retry_init(pml_listener *s) { pml_timer_init(&s->retry, on_retry); }

/* The system has no memory for a send just now: c is flushed a little later. Until then it
 * counts as dirty, so that nobody buries it. */
static void starve(pml_conn *c) {
  pml_listener *s = listener_of(c);
  if (c->dirty) return;
  c->dirty = 1;
  c->next_dirty = s->starved;
  s->starved = c;
  if (!pml_timer_running(&s->retry)) pml_timer_start(s->loop, &s->retry, RETRY_MS);
}

/* The socket took `done` of `total` bytes that were offered, or gave an error. */
static void wrote(pml_conn *c, ssize_t done, size_t total) {
  pml__queue *q = c->q;
  if (done == -ENOBUFS || done == -ENOMEM) {
    starve(c);
    return;
  }
  if (done < 0 && done != -EAGAIN && done != -EINTR) {
    die(c, PML_END_ERROR);
    return;
  }
  size_t n = done < 0 ? 0 : (size_t)done;
  after_write(c, n);
  if (!q->count) queue_done(c);
  else if (n == total) mark(c); /* a turn's worth; others first */
  else if (write_rest(c)) die(c, PML_END_ERROR);
}

static void flush(pml_conn *c) {
  pml_listener *s = listener_of(c);
  pml__queue *q = c->q;
  uv_buf_t iov[IOV_FLUSH];
  uint32_t blocks;
  size_t total;
  unsigned n = gather(q, iov, q->count >= COPY_FROM ? s->scratch : NULL, &blocks, &total);
  s->counts.writes++;
  wrote(c, write_now(c, iov, n), total);
}

/* ---- a turn's writes together ---- */

static void sent(void *ud, int result) {
  pml_conn *c = ud;
  pml__queue *q = c->q;
  size_t total = q->offered;
  q->held = 0;
  wrote(c, result, total);
}

static void ring_run(pml_listener *s) {
  pml_ring_run(s->ring, sent);
  s->used = 0;
}

/* Adds what c has to the ring's batch. 0 when it goes the ordinary way. */
static int ring_add(pml_conn *c) {
  pml_listener *s = listener_of(c);
  pml__queue *q = c->q;
  const uint8_t *p;
  size_t n = 0;
  for (uint32_t i = 0; i < q->count && n <= PML__TOGETHER; i++) n += queue_at(q, i)->len;
  if (n > PML__TOGETHER || c->strange) return 0;
  if (!c->known && !(c->known = pml_ring_remember(s->ring, c->fd) != 0)) {
    c->strange = 1;
    return 0;
  }
  if (q->count > 1 && s->used + n > PML__SCRATCH) ring_run(s);
  if (q->count == 1) {
    p = queue_at(q, 0)->b->data + queue_at(q, 0)->off;
  } else {
    uint8_t *to = s->scratch + s->used;
    p = to;
    for (uint32_t i = 0; i < q->count; i++) {
      pml__out *o = queue_at(q, i);
      memcpy(to, o->b->data + o->off, o->len);
      to += o->len;
    }
    s->used += n;
  }
  q->held = q->count;
  q->offered = n;
  s->counts.writes++;
  if (!pml_ring_send(s->ring, c->fd, p, n, c)) {
    pml_ring_run(s->ring, sent); /* the scratch that is used stays so */
    pml_ring_send(s->ring, c->fd, p, n, c);
  }
  return 1;
}

/* End of turn for one connection: the only place where on_end and uv_close are called. */
static void settle(pml_conn *c) {
  if (c->closing && !c->told) {
    pml_listener *s = listener_of(c);
    c->told = 1;
    count_end(c);
    s->o.hooks.on_end(c, c->why, c->end_code);
  }
  if (c->closing && !c->dead && !c->q) linger(c);
  /* What died meanwhile stands in the list again: it is buried from there. */
  if (c->dead && !c->dirty) bury(c);
}

void pml__conn_flush_all(pml_task *t) {
  pml_listener *s = PML_LIST_OBJ(t, pml_listener, flush);
  pml_conn **turn = s->turn;
  unsigned n = 0;
  for (; s->dirty && n < PML__FLUSHES; n++) {
    turn[n] = s->dirty;
    s->dirty = turn[n]->next_dirty;
    turn[n]->dirty = 0;
  }
  if (!s->dirty) s->dirty_end = &s->dirty;
  int together = s->ring && n >= PML__RING_FROM;
  for (unsigned i = 0; i < n; i++) {
    pml_conn *c = turn[i];
    if (i + 4 < n) __builtin_prefetch(&turn[i + 4]->s);
    if (i + 2 < n && turn[i + 2]->q) __builtin_prefetch(turn[i + 2]->q); /* fetched just before */
    if (c->dead || !c->q || c->q->req || !c->q->count) continue;
    if (together && ring_add(c)) continue;
    if (together) ring_run(s); /* the scratch is one */
    flush(c);
  }
  if (together) ring_run(s);
  for (unsigned i = 0; i < n; i++) settle(turn[i]);
  pml_refs_settle(&s->refs);
  /* Those left over come before those marked meanwhile. */
  if (s->dirty) pml_loop_defer(s->loop, &s->flush);
}

/* Whether the socket would take more, although libuv has not asked it since. */
static int takes(const pml_conn *c) {
  struct pollfd p = {.fd = c->fd, .events = POLLOUT};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT;
}

/* More than queue_hard waits. A script may write much in one turn to a client that reads:
 * the socket is offered it before the client is blamed. While libuv has a write under way
 * nobody may write before it: a socket that would take it has the time until the next turn,
 * and the room of another queue_hard. An error is left to the flush. */
static int over(pml_conn *c) {
  pml_listener *s = listener_of(c);
  pml__queue *q = c->q;
  size_t hard = s->o.limits.queue_hard;
  if (q->req) return behind(q) > 2 * hard || !takes(c);
  while (!q->held && behind(q) > hard) {
    uv_buf_t iov[IOV_FLUSH];
    uint32_t blocks;
    size_t total;
    unsigned n = gather(q, iov, NULL, &blocks, &total);
    s->counts.writes++;
    ssize_t r = write_now(c, iov, n);
    if (r <= 0) break;
    after_write(c, (size_t)r);
  }
  return behind(q) > hard;
}

static void queued(pml_conn *c) {
  const pml_conn_limits *m = &listener_of(c)->o.limits;
  if (behind(c->q) > m->queue_hard && over(c)) {
    pml_conn_close(c, PML_END_SLOW, 0);
    return;
  }
  if (c->q->bytes > m->queue_soft && !pml_timer_running(&c->timer)) {
    c->unsent = unsent(c);
    pml_timer_start(pml_conn_loop(c), &c->timer, m->queue_ms);
  }
  mark(c);
}

void pml_conn_send(pml_conn *c, pml_buf *frame) {
  if (c->closing || c->state < STREAMING) return;
  queue_put(c, pml_refs_take(&listener_of(c)->refs, frame),
            c->state == WEBSOCKET ? pml_frame_ws(frame) : pml_frame_package(frame));
  queued(c);
}

void pml_conn_send_ws(pml_conn *c, uint8_t op, pml_buf *payload) {
  if (c->closing || c->state != WEBSOCKET) return;
  uint8_t head[10];
  pml_writer w = {0};
  pml_writer_put(&w, head, pml_wsframe_write_head(head, op, 1, payload->len));
  pml_writer_put(&w, payload->data, payload->len);
  pml_buf *b = pml_writer_finish(&w);
  queue_put(c, b, pml_buf_slice(b));
  queued(c);
}

void pml_conn_ping(pml_conn *c) {
  if (c->closing || c->state != WEBSOCKET) return;
  pml_buf *b = pml_wsframe_control(PML_WS_PING, NULL, 0);
  queue_put(c, b, pml_buf_slice(b));
  listener_of(c)->counts.pings++;
  queued(c);
}

/* ---- reading ---- */

static void deliver(pml_conn *c, int kind, pml_slice bytes, int fin) {
  int r = listener_of(c)->o.hooks.on_bytes(c, kind, bytes, fin);
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
    pml_buf *b = pml_wsframe_control(PML_WS_PONG, payload.p, payload.n);
    queue_put(c, b, pml_buf_slice(b));
    queued(c);
    return 0;
  }
  if (op != PML_WS_CLOSE) return 0;
  c->close_got = 1;
  c->deaf = 1;
  if (c->closing) {
    mark(c);
    return PML_ECLOSED;
  }
  uint16_t code = payload.n < 2 ? PML_WS_NO_STATUS : (uint16_t)(payload.p[0] << 8 | payload.p[1]);
  pml_buf *b = pml_wsframe_control(PML_WS_CLOSE, payload.p, payload.n < 2 ? 0 : 2);
  queue_put(c, b, pml_buf_slice(b));
  begin_close(c, PML_END_PEER, code, 1);
  return PML_ECLOSED;
}

static void feed_ws(pml_conn *c, uint8_t *p, size_t n) {
  static const pml_wsframe_hooks hooks = {on_ws_data, on_ws_control};
  int r = pml_wsframe_feed(&c->in.frame, p, n, listener_of(c)->o.limits.ws_frame_max, &hooks, c);
  if (!r || r == PML_ECLOSED) return;
  uint16_t code = c->in.frame.code;
  if (c->closing) {
    c->deaf = 1;
    mark(c);
  } else if (r == PML_ETOOBIG) {
    pml_conn_close(c, PML_END_TOOBIG, code ? code : PML_WS_TOO_BIG);
  } else {
    pml_conn_close(c, PML_END_PROTOCOL, code ? code : PML_WS_PROTOCOL);
  }
}

static void opened(pml_conn *c, uint8_t state) {
  pml_listener *s = listener_of(c);
  c->state = state;
  s->o.hooks.on_open(c); /* the timer still knows when the connection came */
  if (!c->closing) pml_timer_stop(s->loop, &c->timer);
  c->late = 0;
}

static void feed_http(pml_conn *c, uint8_t *p, size_t n) {
  pml_wshake_result r;
  int e = pml_wshake_feed(&c->in.shake, p, n, &r);
  if (e == PML_EAGAIN) return;
  if (e) {
    pml_conn_close(c, PML_END_PROTOCOL, 0);
    return;
  }
  queue_put(c, r.answer, pml_buf_slice(r.answer));
  if (r.status != 101) {
    pml_conn_close(c, PML_END_HANDSHAKE, 0);
    return;
  }
  pml_wshake_fini(&c->in.shake);
  memset(&c->in.frame, 0, sizeof c->in.frame);
  mark(c);
  opened(c, WEBSOCKET);
  if (n > r.used && !c->deaf) feed_ws(c, p + r.used, n - r.used);
}

static void feed(pml_conn *c, uint8_t *p, size_t n) {
  if (c->state == WAITING) {
    if (p[0] >= 'A' && p[0] <= 'Z') {
      c->state = UPGRADING;
    } else if (p[0] >= 1 && p[0] <= 5) {
      opened(c, STREAMING);
    } else {
      pml_conn_close(c, PML_END_PROTOCOL, 0);
    }
  }
  if (c->state == WEBSOCKET) {
    if (!c->deaf) feed_ws(c, p, n);
  } else if (c->closing) {
    return; /* dropped while the close is under way */
  } else if (c->state == UPGRADING) {
    feed_http(c, p, n);
  } else {
    deliver(c, PML_STREAM, pml_slice_of(p, n), 0);
  }
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *out) {
  pml_conn *c = (pml_conn *)h;
  pml_listener *s = listener_of(c);
  uint64_t turn = pml_loop_turn(s->loop);
  (void)hint;
  /* libuv would read up to 32 times from one socket; no buffer ends that for this turn. */
  int again = s->reader == c && s->read_turn == turn;
  s->reader = c;
  s->read_turn = turn;
  *out = uv_buf_init((char *)s->read, again ? 0 : PML__READ_SIZE);
}

static void on_eof(pml_conn *c) {
  c->eof = 1;
  if (c->closing) {
    mark(c);
    return;
  }
  /* It may still read: what is queued is flushed. */
  begin_close(c, PML_END_PEER, c->state == WEBSOCKET ? PML_WS_ABNORMAL : 0, c->q != NULL);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf) {
  pml_conn *c = (pml_conn *)h;
  if (n == 0 || n == UV_ENOBUFS || c->gone) return;
  if (n == UV_EOF) {
    on_eof(c);
  } else if (n < 0) {
    if (n == UV_ETIMEDOUT) listener_of(c)->counts.vanished++;
    die(c, PML_END_ERROR);
  } else {
    pml_listener *s = listener_of(c);
    c->last_ms = (uint32_t)pml_loop_now(s->loop);
    s->counts.bytes_in += (size_t)n;
    if (!c->dead) feed(c, (uint8_t *)buf->base, (size_t)n);
  }
}

/* ---- time ---- */

/* Whether the peer has taken at least so many bytes since the last time. */
static int reads(pml_conn *c, size_t least) {
  uint32_t now = unsent(c), before = c->unsent;
  c->unsent = now;
  return now < before && before - now >= least;
}

/* The end of linger_ms: a peer that still takes what is queued has it for queue_ms in all. */
static void lingered(pml_conn *c) {
  pml_loop *l = pml_conn_loop(c);
  const pml_conn_limits *m = &listener_of(c)->o.limits;
  uint32_t been = (uint32_t)pml_loop_now(l) - c->since_ms;
  if (!c->dead && been < m->queue_ms && reads(c, 1)) {
    uint32_t left = m->queue_ms - been;
    pml_timer_start(l, &c->timer, left < m->linger_ms ? left : m->linger_ms);
    return;
  }
  c->dead = 1;
  mark(c);
}

static void on_timer(pml_timer *t) {
  pml_conn *c = PML_LIST_OBJ(t, pml_conn, timer);
  pml_loop *l = pml_conn_loop(c);
  const pml_conn_limits *m = &listener_of(c)->o.limits;
  if (c->closing) {
    lingered(c);
    return;
  }
  /* A loop that was late looks at its sockets twice before it blames the client. */
  if (c->late < 2) {
    c->late++;
    pml_timer_start(l, t, 1);
    return;
  }
  if (c->state >= STREAMING && reads(c, m->queue_soft / READS_SHARE + 1)) {
    c->late = 0;
    pml_timer_start(l, t, m->queue_ms);
    return;
  }
  pml_conn_close(c, c->state < STREAMING ? PML_END_HANDSHAKE : PML_END_SLOW, 0);
}

/* ---- the beginning ---- */

static void on_refused(uv_handle_t *h) { pml_free(h); }

int pml__conn_accept(pml_listener *s) {
  pml_conn *c = pml_alloc0(sizeof *c + s->o.hooks.user_size);
  int r = uv_tcp_init(pml_loop_uv(s->loop), &c->tcp);
  if (r) {
    pml_free(c);
    return r;
  }
  c->s = s;
  pml_list_init(&c->node);
  pml_timer_init(&c->timer, on_timer);
  r = uv_accept((uv_stream_t *)&s->tcp, stream_of(c));
  if (!r) r = uv_fileno((uv_handle_t *)&c->tcp, &c->fd);
  if (!r && s->counts.open >= s->o.max_conns) r = UV_EMFILE;
  if (!r) r = uv_read_start(stream_of(c), on_alloc, on_read);
  if (r) {
    uv_close((uv_handle_t *)&c->tcp, on_refused);
    return r;
  }
  uv_tcp_nodelay(&c->tcp, 1); /* a failure costs time, nothing else */
  s->counts.accepted++;
  s->counts.open++;
  pml_list_append(&s->conns, &c->node);
  c->last_ms = (uint32_t)pml_loop_now(s->loop);
  pml_timer_start(s->loop, &c->timer, s->o.limits.upgrade_ms);
  return 0;
}
