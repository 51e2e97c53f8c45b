#include "net/conn_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/signals.h"
#include "wire/package.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BACKLOG 4096

static uint64_t or_else(uint64_t n, uint64_t standard) { return n ? n : standard; }

static void fill_limits(pml_conn_limits *m) {
  m->queue_soft = or_else(m->queue_soft, 1u << 20);
  m->queue_ms = (uint32_t)or_else(m->queue_ms, 5000);
  m->queue_hard = or_else(m->queue_hard, 8u << 20);
  m->linger_ms = (uint32_t)or_else(m->linger_ms, 2000);
  m->upgrade_ms = (uint32_t)or_else(m->upgrade_ms, 10000);
  m->keep_alive_s = (uint32_t)or_else(m->keep_alive_s, 60);
  m->ws_frame_max = or_else(m->ws_frame_max, PML_PKG_HEAD + PML_PKG_MAX);
}

static void maybe_free(pml_listener *s) {
  if (!s->closing || s->bound || s->counts.open) return;
  pml_task_cancel(&s->flush);
  pml_timer_stop(s->loop, &s->retry);
  pml_timer_stop(s->loop, &s->reread);
  pml_refs_settle(&s->refs);
  pml__outqs_free(&s->spare);
  pml_ring_free(s->ring);
  void (*on_closed)(void *ud) = s->on_closed;
  void *ud = s->ud;
  pml_free((char *)s->o.host);
  pml_free(s);
  if (on_closed) on_closed(ud);
}

static void on_closed(uv_handle_t *h) {
  pml_listener *s = h->data;
  s->bound = 0;
  maybe_free(s);
}

static void refused(pml_listener *s, int why) {
  s->counts.refused++;
  static const char kind[] = "clients refused";
  if (!s->o.log || !pml_log_may(s->o.log, PML_WARN, kind, sizeof kind - 1, 1, 1000)) return;
  pml_log_write(s->o.log, PML_WARN, "refused a client, %llu so far: %s (%llu connected)",
                (unsigned long long)s->counts.refused,
                s->counts.open >= s->o.max_conns ? "the limit of connections" : uv_strerror(why),
                (unsigned long long)s->counts.open);
}

/* Without file descriptors libuv gives up its spare one to accept and close. */
static void on_connection(uv_stream_t *h, int status) {
  pml_listener *s = h->data;
  pml_conn *c;
  int r = status ? status : pml__conn_accept(s, &c);
  if (r) refused(s, r);
  else if (pml__conn_read_start(c)) pml__conn_die(c, PML_END_ERROR);
}

/* Set on the socket that listens: those that it accepts inherit it, at no cost. A system that
 * refuses is one that keeps half-open connections; nothing else is lost. */
static void keep_alive(pml_listener *s) {
  int fd, on = 1, probes = 4, idle = (int)s->o.limits.keep_alive_s;
  if (s->o.limits.keep_alive_s == PML_CONN_NEVER || uv_fileno((uv_handle_t *)&s->tcp, &fd)) return;
  int every = idle / probes > 0 ? idle / probes : 1;
  unsigned unacknowledged_ms = 1000u * (unsigned)(idle + probes * every);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static int try_bind(pml_listener *s, const struct sockaddr *a) {
  int r = uv_tcp_bind(&s->tcp, a, 0);
  if (!r) keep_alive(s);
  return r ? r : uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
}

/* A name is looked up while the program waits: this is start-up. */
static int bind_name(pml_listener *s, uv_loop_t *uv, const char *host, int port) {
  struct addrinfo hints;
  uv_getaddrinfo_t req;
  char service[16];
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  snprintf(service, sizeof service, "%d", port);
  int r = uv_getaddrinfo(uv, &req, NULL, host, service, &hints);
  if (r) return r;
  r = try_bind(s, req.addrinfo->ai_addr);
  uv_freeaddrinfo(req.addrinfo);
  return r;
}

static int bind_host(pml_listener *s, uv_loop_t *uv, const char *host, int port) {
  struct sockaddr_in four;
  struct sockaddr_in6 six;
  if (!uv_ip4_addr(host, port, &four)) return try_bind(s, (struct sockaddr *)&four);
  if (!uv_ip6_addr(host, port, &six)) return try_bind(s, (struct sockaddr *)&six);
  return bind_name(s, uv, host, port);
}

static int port_of(const uv_tcp_t *tcp) {
  struct sockaddr_storage a;
  int n = sizeof a;
  if (uv_tcp_getsockname(tcp, (struct sockaddr *)&a, &n)) return 0;
  return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                       : ((struct sockaddr_in *)&a)->sin_port);
}

static void init_listener(pml_listener *s, pml_loop *l, const pml_listener_options *o) {
  s->loop = l;
  s->o = *o;
  s->o.host = o->host ? pml_strdup(o->host) : NULL;
  fill_limits(&s->o.limits);
  pml_list_init(&s->conns);
  pml_task_init(&s->flush, pml__conn_flush_all);
  s->dirty_end = &s->dirty;
  s->conn_closed = maybe_free;
  pml__conn_retry_init(s);
  pml__conn_reread_init(s);
}

int pml_listener_open(pml_loop *l, const pml_listener_options *o, pml_listener **out) {
  uv_loop_t *uv = pml_loop_uv(l);
  if (!uv || o->port < 0 || o->port > 65535) return UV_EINVAL;
  pml_listener *s = pml_alloc0(sizeof *s);
  int r = uv_tcp_init(uv, &s->tcp);
  if (r) {
    pml_free(s);
    return r;
  }
  pml_signal_disarm(SIGPIPE); /* a client that is gone is an error like others */
  s->tcp.data = s;
  s->bound = 1;
  init_listener(s, l, o);
  s->ring = o->limits.no_ring ? NULL : pml_ring_new();
  if (o->host && o->host[0]) r = bind_host(s, uv, o->host, o->port);
  else if ((r = bind_host(s, uv, "::", o->port)) == UV_EAFNOSUPPORT || r == UV_EADDRNOTAVAIL)
    r = bind_host(s, uv, "0.0.0.0", o->port);
  if (r) {
    pml_listener_close(s, NULL, NULL);
    return r;
  }
  s->port = port_of(&s->tcp);
  *out = s;
  return 0;
}

int pml_listener_port(const pml_listener *s) { return s->port; }
size_t pml_listener_conns(const pml_listener *s) { return s->counts.open; }
const pml_net_counts *pml_listener_counts(const pml_listener *s) { return &s->counts; }

void pml_listener_pause(pml_listener *s) {
  if (s->bound && !uv_is_closing((uv_handle_t *)&s->tcp))
    uv_close((uv_handle_t *)&s->tcp, on_closed);
}

void pml_listener_each(pml_listener *s, void (*fn)(pml_conn *c, void *ud), void *ud) {
  /* ours: a conn leaves the list in its close callback only, so never during fn */
  for (pml_list *n = s->conns.next, *next; n != &s->conns; n = next) {
    next = n->next;
    fn(pml__conn_of_node(n), ud);
  }
}

static void go_away(pml_conn *c, void *ud) {
  (void)ud;
  pml_conn_close(c, PML_END_ASKED, 1001);
}

void pml_listener_close(pml_listener *s, void (*fn)(void *ud), void *ud) {
  if (s->closing) return;
  s->closing = 1;
  s->on_closed = fn;
  s->ud = ud;
  pml_listener_each(s, go_away, NULL);
  if (s->bound) {
    pml_listener_pause(s);
  } else {
    /* Paused before: a handle closed for its callback, which must not come from in here. */
    uv_tcp_init(pml_loop_uv(s->loop), &s->tcp);
    s->tcp.data = s;
    s->bound = 1;
    uv_close((uv_handle_t *)&s->tcp, on_closed);
  }
}
