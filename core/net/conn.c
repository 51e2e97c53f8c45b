#include "net/conn_private.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/turns.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define READS_SHARE 16u /* a client that takes a 16th of queue_soft in queue_ms is not slow */
#define LOOKS 4u        /* at a client for whom something waits, within queue_ms */

static const char *const end_names[] = {
  [PML_END_NONE] = "none",           [PML_END_PEER] = "peer",
  [PML_END_ERROR] = "error",         [PML_END_ASKED] = "asked",
  [PML_END_PROTOCOL] = "protocol",   [PML_END_TOOBIG] = "toobig",
  [PML_END_SLOW] = "slow",           [PML_END_HANDSHAKE] = "handshake",
  [PML_END_HEARTBEAT] = "heartbeat", [PML_END_FULL] = "full",
  [PML_END_BANNED] = "banned",       [PML_END_ADDRESS] = "address",
  [PML_END_PACKAGE] = "package",     [PML_END_MEMORY] = "memory",
  [PML_END_RATE] = "rate",
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

/* Of the socket, which may be a proxy's. */
static int socket_address(pml_conn *c, pml_address *from, uint16_t *port) {
  struct sockaddr_storage a;
  int n = sizeof a;
  if (c->life == PML__UV_CLOSING || uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n))
    return PML_ENOENT;
  return pml_address_of((struct sockaddr *)&a, from, port) ? PML_ENOENT : 0;
}

int pml_conn_client(pml_conn *c, pml_address *from, uint16_t *port) {
  if (!c->aside || !c->aside->told) return socket_address(c, from, port);
  *from = c->aside->from;
  *port = c->aside->port;
  return 0;
}

void pml_conn_address(pml_conn *c, char ip[PML_ADDRESS_TEXT], int *port) {
  pml_address from;
  uint16_t number;
  ip[0] = 0;
  *port = 0;
  if (pml_conn_client(c, &from, &number)) return;
  pml_address_print(&from, ip);
  *port = number;
}

pml_slice pml_conn_head(const pml_conn *c) {
  return pml_buf_slice(c->aside ? c->aside->head : NULL);
}

void pml_conn_forget_head(pml_conn *c) {
  pml__aside *a = c->aside;
  if (!a) return;
  pml_buf_unref(a->head);
  a->head = NULL;
  if (a->told || a->header || a->rest || a->package || a->holds || a->taken || c->watched) return;
  pml_free(a);
  c->aside = NULL;
}

void pml_conn_finished(pml_conn *c) {
  if (c->place && !c->finished) pml__address_finished(c->place);
  c->finished = 1;
}

void pml_conn_take_seat(pml_conn *c, pml_seat *seat) {
  pml_conns *s = c->s;
  pml_seat_leave(s, seat);
  *seat = (pml_seat){c->place, 1};
  s->seats++;
  if (c->place) pml__address_waits(s->addresses, c->place, 1);
}

void pml_seat_leave(pml_conns *s, pml_seat *seat) {
  if (!seat->taken) return;
  s->seats--;
  if (seat->place) pml__address_waits(s->addresses, seat->place, 0);
  *seat = (pml_seat){0};
}

pml_end pml_conn_room(pml_conn *c) {
  pml_conns *s = c->s;
  if (!s->seats) return PML_END_NONE;
  if (s->counts.open + s->seats > s->o.max_conns) {
    s->counts.refused++;
    return PML_END_FULL;
  }
  return pml__gate_has_room(s, c->place) ? PML_END_NONE : PML_END_ADDRESS;
}

pml__gate_answer pml__conn_told(pml_conn *c, const pml_address *from, uint16_t port) {
  pml__aside *a = pml__conn_aside(c);
  if (!a->told) c->s->counts.proxied++;
  a->from = *from;
  a->port = port;
  a->told = 1;
  /* Its socket's address was counted when that was not trusted yet. */
  if (c->place) pml__gate_left(c->s, c->place, c->finished);
  c->place = NULL;
  if (pml__gate_trusts(c->s, from)) return PML__GATE_OPEN; /* one proxy behind another */
  return pml__gate_enter(c->s, from, &c->place);
}

/* Its address is counted no more, and what is known of it is forgotten. */
static void forget_address(pml_conn *c) {
  if (c->place) pml__gate_left(c->s, c->place, c->finished);
  c->place = NULL;
  if (!c->aside) return;
  pml_free(c->aside->header);
  pml_buf_unref(c->aside->head);
  c->aside->header = NULL;
  c->aside->head = NULL;
  c->aside->told = 0;
}

/* What the kernel has of the bytes that the socket took is not acknowledged yet. */
uint32_t pml__conn_taken(pml_conn *c) {
  size_t n = c->sent;
  int kernel = 0;
  if (c->q && c->q->req)
    n += c->q->req->bytes - uv_stream_get_write_queue_size(pml__conn_stream(c));
  if (ioctl(c->fd, SIOCOUTQ, &kernel) == 0 && kernel > 0) n -= (size_t)kernel;
  return (uint32_t)n;
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
    pml__conn_aside(c)->taken = pml__conn_taken(c);
    pml_timer_start(s->loop, &c->timer, s->o.limits.linger_ms);
  } else {
    c->life = PML__ABANDONED;
    if (c->q) pml__outq_cut(c->q, c->q->held);
  }
  pml__conn_charge(c);
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

static int speaks_tls(const pml_conn *c) {
  return c->tls && pml__tls_state_of(c->tls) == PML__TLS_OPEN;
}

int pml_conn_encryption(const pml_conn *c, pml_tls_facts *out) {
  if (!speaks_tls(c)) return 0;
  *out = pml__tls_facts(c->tls);
  return 1;
}

static void close_for(pml_conn *c, pml_end why, uint16_t ws_code, const char *reason) {
  int ws = c->transport == PML__WEBSOCKET, graceful = 0;
  if (why == PML_END_ASKED || why == PML_END_HANDSHAKE || why == PML_END_FULL) graceful = 1;
  if (why == PML_END_BANNED || why == PML_END_ADDRESS) graceful = 1;
  if (why == PML_END_HEARTBEAT || why == PML_END_SLOW) {
    graceful = ws;
    /* The queue is given up, but for a frame of which a part is written. */
    if (ws && c->q && why == PML_END_SLOW)
      pml__outq_cut(c->q, c->q->held > c->q->cut ? c->q->held : c->q->cut);
  }
  if (why == PML_END_PROTOCOL || why == PML_END_TOOBIG || why == PML_END_PACKAGE ||
      why == PML_END_RATE) {
    graceful = ws;
    c->discard_input = 1; /* its bytes make no sense, or are too many, from here on */
  }
  /* Before a client has said anything there is nothing to be flushed. */
  if (c->transport == PML__UNKNOWN && !c->q && !speaks_tls(c)) graceful = 0;
  if (graceful && ws) {
    pml_buf *b = pml_ws_frame_close(ws_code ? ws_code : PML_WS_NORMAL, reason);
    pml__conn_put(c, b, pml_buf_slice(b));
  }
  pml__conn_begin_close(c, why, 0, graceful);
}

void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code) {
  if (c->life == PML__OPEN) close_for(c, why, ws_code, NULL);
}

void pml_conn_leave(pml_conn *c, const char *reason) {
  if (c->life != PML__OPEN) return;
  c->left = c->s->o.hooks.on_behind != NULL;
  close_for(c, PML_END_ASKED, PML_WS_GOING_AWAY, reason);
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
  case PML_END_BANNED: n->banned++; break;
  case PML_END_PACKAGE: n->package++; break;
  case PML_END_MEMORY: n->memory++; break;
  case PML_END_ADDRESS: n->address++; break;
  case PML_END_RATE: n->rate++; break;
  default: return;
  }
  const pml_log *log = s->o.log;
  int bad = c->why != PML_END_HANDSHAKE && c->why != PML_END_HEARTBEAT;
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
  pml_free(c->aside);
  c->aside = NULL;
  pml__conn_charge(c);
  pml_list_remove(&c->node);
  pml_free(c);
  pml__conns_left(s);
}

static void drop_tls(pml_conn *c) {
  pml_net_counts *n = &c->s->counts;
  if (!c->tls) return;
  if (pml__tls_queue_leave(&c->s->shakes, pml__tls_place_of(c->tls))) {
    if (c->why == PML_END_HANDSHAKE) n->tls_late++;
    else n->tls_left++;
  }
  pml__tls_free(c->tls);
  c->tls = NULL;
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
  pml__turns_drop(c);
  if (c->s->writable && (c->keeps || c->tls)) pml_writable_forget(c->s->writable, c->fd);
  drop_tls(c);
  uv_close((uv_handle_t *)&c->tcp, on_closed);
  forget_address(c);
  /* From here libuv reads nothing of a write that is under way. */
  if (c->q) pml__outq_cut(c->q, 0);
  pml__conn_queue_done(c);
  pml__conn_charge(c);
}

static void on_shutdown(uv_shutdown_t *r, int status) {
  pml_conn *c = r->data;
  pml_free(r);
  if (status < 0 && status != UV_ECANCELED) pml__conn_die(c, PML_END_ERROR);
}

void pml__conn_linger(pml_conn *c) {
  if (c->transport == PML__WEBSOCKET && !c->discard_input && !c->got_eof) return;
  if (c->tls && pml__tls_notify(c->tls)) { /* it is flushed first */
    pml__conn_mark(c);
    return;
  }
  if (c->got_eof) {
    c->life = PML__ABANDONED;
    return;
  }
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

void pml_conns_ask_again(pml_conns *of) {
  pml_address from;
  uint16_t port;
  for (pml_list *n = of->all.next; n != &of->all; n = n->next) {
    pml_conn *c = PML_CONTAINER(n, pml_conn, node);
    if (c->life != PML__OPEN || pml_conn_client(c, &from, &port)) continue;
    if (!pml__gate_trusts(of, &from) && pml__gate_denies(of, &from))
      pml_conn_close(c, PML_END_ADDRESS, PML_WS_POLICY);
  }
}

/* ---- time ---- */

/* Whether the client has taken at least so many bytes since the last time that it had. */
static int reads(pml_conn *c, uint32_t least) {
  pml__aside *a = pml__conn_aside(c);
  uint32_t now = pml__conn_taken(c), more = now - a->taken;
  if (more > INT32_MAX || more < least) return 0;
  a->taken = now;
  return 1;
}

void pml__conn_look(pml_conn *c, uint32_t ms) {
  pml_loop *l = pml_conn_loop(c);
  if (pml_timer_running(&c->timer) && c->timer.due <= pml_loop_now(l) + ms) return;
  pml_timer_start(l, &c->timer, ms);
}

static void watch(pml_conn *c) {
  c->watched = 1;
  pml__conn_aside(c)->taken = pml__conn_taken(c);
  c->since_ms = (uint32_t)pml_loop_now(pml_conn_loop(c));
  pml__conn_look(c, c->s->o.limits.queue_ms / LOOKS);
}

/* Before it is open the timer is that of its handshake, and from its end on that of the close. */
static int can_watch(const pml_conn *c) {
  return c->life == PML__OPEN && c->transport != PML__UNKNOWN;
}

void pml__conn_waits(pml_conn *c) {
  if (!c->watched && can_watch(c)) watch(c);
}

void pml__conn_over(pml_conn *c) {
  if (c->over || !can_watch(c)) return;
  c->over = 1;
  watch(c);
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

/* How long until the client is slow unless it takes more; 0: it is now, PML_CONN_NEVER: nothing
 * waits for it. */
static uint32_t slow_in(pml_conn *c) {
  const pml_conn_limits *m = &c->s->o.limits;
  size_t waiting = pml__conn_waiting(c);
  if (!c->watched || !waiting) {
    c->watched = c->over = 0;
    return PML_CONN_NEVER;
  }
  uint32_t now = (uint32_t)pml_loop_now(pml_conn_loop(c));
  if (waiting <= m->queue_soft) c->over = 0;
  if (reads(c, c->over ? (uint32_t)(m->queue_soft / READS_SHARE) + 1 : 1)) c->since_ms = now;
  uint32_t been = now - c->since_ms;
  if (been >= m->queue_ms) return 0;
  uint32_t left = m->queue_ms - been, look = m->queue_ms / LOOKS + 1;
  return left < look ? left : look;
}

/* How long until the package under way must be whole; 0: it must be now, PML_CONN_NEVER: none is.
 */
static uint32_t package_in(const pml_conn *c) {
  if (!pml__conn_package(c)) return PML_CONN_NEVER;
  uint32_t left = c->aside->package_due - (uint32_t)pml_loop_now(c->s->loop);
  return left <= INT32_MAX ? left : 0;
}

static void look(pml_conn *c) {
  uint32_t slow = slow_in(c), package = package_in(c), next = slow < package ? slow : package;
  if (next == PML_CONN_NEVER) return;
  if (next) c->late = 0;
  /* A loop that was late reads its sockets twice more before it blames the client. */
  if (next || c->late++ < 2) pml_timer_start(pml_conn_loop(c), &c->timer, next ? next : 1);
  else if (slow) pml_conn_close(c, PML_END_PACKAGE, PML_WS_POLICY);
  else pml_conn_close(c, PML_END_SLOW, 0);
}

static void on_timer(pml_timer *t) {
  pml_conn *c = PML_CONTAINER(t, pml_conn, timer);
  if (c->life != PML__OPEN) lingered(c);
  else if (c->transport != PML__UNKNOWN) look(c);
  else if (c->late++ < 2) pml_timer_start(pml_conn_loop(c), t, 1); /* as in look */
  else pml_conn_close(c, PML_END_HANDSHAKE, 0);
}

/* ---- the beginning ---- */

static void on_refused(uv_handle_t *h) { pml_free(h); }

/* 0, or 1: its address may not come in. Of a trusted proxy it is asked later, and never its own. */
static int let_in(pml_conn *c) {
  pml_address from;
  uint16_t port;
  if (!pml__gate_asks(c->s) || socket_address(c, &from, &port)) return 0;
  if (!pml__gate_trusts(c->s, &from)) return pml__gate_enter(c->s, &from, &c->place) != 0;
  pml__conn_aside(c)->header = pml_alloc0(sizeof(pml_proxy_header));
  return 0;
}

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
  if (!r) r = let_in(c);
  if (r) {
    /* A reset costs the server least: nothing of the connection stays behind. */
    if (r < 0 || uv_tcp_close_reset(&c->tcp, on_refused))
      uv_close((uv_handle_t *)&c->tcp, on_refused);
    if (c->aside) pml_free(c->aside->header);
    pml_free(c->aside);
    return r;
  }
  uv_tcp_nodelay(&c->tcp, 1); /* a failure costs time, nothing else */
  pml__conns_add(s, &c->node);
  c->accepted_ms = c->last_ms = (uint32_t)pml_loop_now(s->loop);
  pml_timer_start(s->loop, &c->timer, s->o.limits.upgrade_ms);
  *out = c;
  return 0;
}
