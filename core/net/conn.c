#include "net/conn_private.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define READS_SHARE 16u /* a client that takes a 16th of queue_soft in queue_ms is not slow */

static const char *const end_names[] = {
  [PML_END_NONE] = "none",   [PML_END_PEER] = "peer",           [PML_END_ERROR] = "error",
  [PML_END_ASKED] = "asked", [PML_END_PROTOCOL] = "protocol",   [PML_END_TOOBIG] = "toobig",
  [PML_END_SLOW] = "slow",   [PML_END_HANDSHAKE] = "handshake", [PML_END_HEARTBEAT] = "heartbeat",
  [PML_END_FULL] = "full",
};

const char *pml_end_name(pml_end why) {
  return (size_t)why < sizeof end_names / sizeof *end_names ? end_names[why] : "none";
}

void *pml_conn_user(pml_conn *c) { return c + 1; }
pml_conn *pml_conn_of_user(void *user) { return (pml_conn *)user - 1; }
pml_loop *pml_conn_loop(pml_conn *c) { return c->s->loop; }
void *pml_conn_owner(pml_conn *c) { return c->s->o.owner; }
pml_net_counts *pml_conn_counts(pml_conn *c) { return &c->s->counts; }
int pml_conn_is_ws(const pml_conn *c) { return c->transport == PML__WEBSOCKET; }
int pml_conn_closing(const pml_conn *c) { return c->life != PML__OPEN; }
uint32_t pml_conn_age(const pml_conn *c) {
  return (uint32_t)pml_loop_now(c->s->loop) - c->accepted_ms;
}

uint32_t pml_conn_quiet(const pml_conn *c) {
  return (uint32_t)pml_loop_now(c->s->loop) - c->last_ms;
}

void pml_conn_address(pml_conn *c, char ip[PML_ADDRESS_TEXT], int *port) {
  struct sockaddr_storage a;
  int n = sizeof a;
  ip[0] = 0;
  *port = 0;
  if (c->life == PML__UV_CLOSING || uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n)) return;
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

uint32_t pml__conn_unsent(pml_conn *c) {
  size_t n = 0;
  int kernel = 0;
  if (c->q) {
    n = c->q->bytes;
    if (c->q->req) n = n - c->q->req->bytes + uv_stream_get_write_queue_size(pml__conn_stream(c));
  }
  if (ioctl(c->fd, SIOCOUTQ, &kernel) == 0 && kernel > 0) n += (size_t)kernel;
  return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* ---- the end ---- */

void pml__conn_begin_close(pml_conn *c, pml_end why, uint16_t code, int graceful) {
  pml_conns *s = c->s;
  c->life = PML__CLOSING;
  c->why = (uint8_t)why;
  c->end_code = code;
  pml_timer_stop(s->loop, &c->timer);
  pml_refs_settle(&s->refs);
  if (graceful) {
    c->since_ms = (uint32_t)pml_loop_now(s->loop);
    c->unsent = pml__conn_unsent(c);
    pml_timer_start(s->loop, &c->timer, s->o.limits.linger_ms);
  } else {
    c->life = PML__ABANDONED;
    if (c->q) pml__outq_cut(c->q, c->q->held);
  }
  pml__conn_mark(c);
}

void pml__conn_die(pml_conn *c, pml_end why) {
  if (c->life == PML__OPEN) {
    pml__conn_begin_close(c, why, 0, 0);
    return;
  }
  if (c->life == PML__CLOSING) c->life = PML__ABANDONED;
  pml__conn_mark(c);
}

void pml__conn_fail(pml_conn *c, int err) {
  if (err == ETIMEDOUT && c->life < PML__ABANDONED) c->s->counts.vanished++;
  pml__conn_die(c, PML_END_ERROR);
}

void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code) {
  if (c->life != PML__OPEN) return;
  int ws = c->transport == PML__WEBSOCKET, graceful = 0;
  if (why == PML_END_ASKED || why == PML_END_HANDSHAKE || why == PML_END_FULL) graceful = 1;
  if (why == PML_END_HEARTBEAT || why == PML_END_SLOW) {
    graceful = ws;
    /* The queue is given up, but for a frame of which a part is written. */
    if (ws && c->q && why == PML_END_SLOW)
      pml__outq_cut(c->q, c->q->held > c->q->cut ? c->q->held : c->q->cut);
  }
  if (why == PML_END_PROTOCOL || why == PML_END_TOOBIG) {
    graceful = ws;
    c->discard_input = 1; /* its bytes make no sense from here on */
  }
  if (c->transport == PML__UNKNOWN && !c->q) graceful = 0; /* nothing is to be flushed */
  if (graceful && ws) {
    pml_buf *b = pml_ws_frame_close(ws_code ? ws_code : PML_WS_NORMAL, NULL);
    pml__conn_put(c, b, pml_buf_slice(b));
  }
  pml__conn_begin_close(c, why, 0, graceful);
}

void pml__conn_count_end(pml_conn *c) {
  pml_conns *s = c->s;
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
  char kind[64], ip[PML_ADDRESS_TEXT];
  int port, k = snprintf(kind, sizeof kind, "clients closed: %s", why);
  if (!log || !pml_log_may(log, level, kind, (size_t)k, PML_LOG_LINES, 1000)) return;
  pml_conn_address(c, ip, &port);
  pml_log_write(log, level, "client %s:%d closed: %s", ip, port, why);
}

static void on_closed(uv_handle_t *h) {
  pml_conn *c = h->data;
  pml_conns *s = c->s;
  if (c->q) {
    pml__outq_cut(c->q, 0);
    assert(!c->q->req); /* ours: libuv calls write callbacks before this one */
    pml__conn_queue_done(c);
  }
  pml_list_remove(&c->node);
  pml_free(c);
  pml__conns_left(s);
}

void pml__conn_bury(pml_conn *c) {
  if (c->life == PML__UV_CLOSING) return;
  c->life = PML__UV_CLOSING;
  if (c->ring == PML__IN_RING) {
    pml_ring_forget(c->s->ring, c->fd);
    shutdown(c->fd, SHUT_RDWR);
  }
  pml_timer_stop(c->s->loop, &c->timer);
  pml_reader_fini(&c->reader);
  uv_close((uv_handle_t *)&c->tcp, on_closed);
  /* From here libuv reads nothing of a write that is under way. */
  if (c->q) pml__outq_cut(c->q, 0);
  pml__conn_queue_done(c);
}

static void on_shutdown(uv_shutdown_t *r, int status) {
  pml_conn *c = r->data;
  pml_free(r);
  if (status < 0 && status != UV_ECANCELED) pml__conn_die(c, PML_END_ERROR);
}

void pml__conn_linger(pml_conn *c) {
  if (c->got_eof) {
    c->life = PML__ABANDONED;
    return;
  }
  if (c->transport == PML__WEBSOCKET && !c->discard_input) return;
  if (c->sent_eof) return;
  c->sent_eof = 1;
  uv_shutdown_t *r = pml_alloc(sizeof *r);
  r->data = c;
  if (uv_shutdown(r, pml__conn_stream(c), on_shutdown)) {
    pml_free(r);
    c->life = PML__ABANDONED;
  }
}

void pml_conn_each(pml_conns *of, void (*fn)(pml_conn *c, void *ud), void *ud) {
  /* ours: a conn leaves the list in its close callback only, so never during fn */
  for (pml_list *n = of->all.next, *next; n != &of->all; n = next) {
    next = n->next;
    fn(PML_CONTAINER(n, pml_conn, node), ud);
  }
}

void pml_conn_close_all(pml_conns *of, pml_end why, uint16_t ws_code) {
  for (pml_list *n = of->all.next; n != &of->all; n = n->next)
    pml_conn_close(PML_CONTAINER(n, pml_conn, node), why, ws_code);
}

/* ---- time ---- */

/* Whether the client has taken at least so many bytes since the last call. */
static int reads(pml_conn *c, size_t least) {
  uint32_t now = pml__conn_unsent(c), before = c->unsent;
  c->unsent = now;
  return now < before && before - now >= least;
}

/* linger_ms are over: a client that still takes what is queued may do so for queue_ms in all. */
static void lingered(pml_conn *c) {
  pml_loop *l = pml_conn_loop(c);
  const pml_conn_limits *m = &c->s->o.limits;
  uint32_t been = (uint32_t)pml_loop_now(l) - c->since_ms;
  if (c->life < PML__ABANDONED && been < m->queue_ms && reads(c, 1)) {
    uint32_t left = m->queue_ms - been;
    pml_timer_start(l, &c->timer, left < m->linger_ms ? left : m->linger_ms);
    return;
  }
  c->life = PML__ABANDONED;
  pml__conn_mark(c);
}

static void on_timer(pml_timer *t) {
  pml_conn *c = PML_CONTAINER(t, pml_conn, timer);
  pml_loop *l = pml_conn_loop(c);
  const pml_conn_limits *m = &c->s->o.limits;
  if (c->life != PML__OPEN) {
    lingered(c);
    return;
  }
  /* A loop that was late reads its sockets twice more before it blames the client. */
  if (c->late < 2) {
    c->late++;
    pml_timer_start(l, t, 1);
    return;
  }
  if (c->transport != PML__UNKNOWN && reads(c, m->queue_soft / READS_SHARE + 1)) {
    c->late = 0;
    pml_timer_start(l, t, m->queue_ms);
    return;
  }
  pml_conn_close(c, c->transport == PML__UNKNOWN ? PML_END_HANDSHAKE : PML_END_SLOW, 0);
}

/* ---- the beginning ---- */

static void on_refused(uv_handle_t *h) { pml_free(h); }

int pml__conn_accept(pml_conns *s, uv_stream_t *from, pml_conn **out) {
  pml_conn *c = pml_alloc0(sizeof *c + s->o.hooks.user_size);
  int r = uv_tcp_init(pml_loop_uv(s->loop), &c->tcp);
  if (r) {
    pml_free(c);
    return r;
  }
  c->tcp.data = c;
  c->s = s;
  pml_list_init(&c->node);
  pml_timer_init(&c->timer, on_timer);
  r = uv_accept(from, pml__conn_stream(c));
  if (!r) r = uv_fileno((uv_handle_t *)&c->tcp, &c->fd);
  if (!r && s->counts.open >= s->o.max_conns) r = UV_EMFILE;
  if (r) {
    uv_close((uv_handle_t *)&c->tcp, on_refused);
    return r;
  }
  uv_tcp_nodelay(&c->tcp, 1); /* a failure costs time, nothing else */
  pml__conns_add(s, &c->node);
  c->accepted_ms = c->last_ms = (uint32_t)pml_loop_now(s->loop);
  pml_timer_start(s->loop, &c->timer, s->o.limits.upgrade_ms);
  *out = c;
  return 0;
}
