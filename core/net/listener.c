#include "net/listener.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/conn_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

struct pml_listener {
  uv_tcp_t tcp;
  pml_conns *to;
  int port;
};

static void on_closed(uv_handle_t *h) {
  pml_listener *s = h->data;
  pml_conns *to = s->to;
  pml_free(s);
  pml__conns_unlistened(to);
}

static void refused(pml_conns *s, int why) {
  s->counts.refused++;
  static const char kind[] = "clients refused";
  if (!s->o.log || !pml_log_may(s->o.log, PML_WARN, kind, sizeof kind - 1, 1, 1000)) return;
  pml_log_write(s->o.log, PML_WARN, "refused a client, %llu so far: %s (%llu connected)",
                (unsigned long long)s->counts.refused,
                s->counts.open >= s->o.max_conns ? "the limit of connections" : uv_strerror(why),
                (unsigned long long)s->counts.open);
}

/* Without file descriptors libuv closes a spare one, accepts, and closes the connection. */
static void on_connection(uv_stream_t *h, int status) {
  pml_listener *s = h->data;
  pml_conn *c;
  int r = status ? status : pml__conn_accept(s->to, h, &c);
  if (r < 0) refused(s->to, r);
  else if (!r && pml__receive_start(c)) pml__conn_die(c, PML_END_ERROR);
}

/* Set on the listening socket, because accepted sockets inherit it at no cost. Where the system
 * refuses it, half-open connections stay; nothing else is lost. */
static void keep_alive(pml_listener *s) {
  int fd, on = 1, probes = 4, idle = (int)s->to->o.limits.keep_alive_s;
  if (s->to->o.limits.keep_alive_s == PML_CONN_NEVER || uv_fileno((uv_handle_t *)&s->tcp, &fd))
    return;
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

/* The program waits for the name server: it is still starting. */
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

/* One that is not open yet. 0 or a libuv code, *out untouched. */
static int make(pml_conns *to, pml_listener **out) {
  pml_listener *s = pml_alloc0(sizeof *s);
  int r = uv_tcp_init(pml_loop_uv(to->loop), &s->tcp);
  if (r) {
    pml_free(s);
    return r;
  }
  s->tcp.data = s;
  s->to = to;
  pml__conns_listened(to);
  if (!to->flush.run) { /* the first listener */
    pml__flush_init(to);
    pml__receive_init(to);
    pml__evict_init(to);
  }
  *out = s;
  return 0;
}

/* r: how it went. */
static int opened(pml_listener *s, int r, pml_listener **out) {
  if (r) {
    pml_listener_close(s);
    return r;
  }
  s->port = port_of(&s->tcp);
  *out = s;
  return 0;
}

int pml_listener_open(pml_conns *to, const char *host, int port, pml_listener **out) {
  uv_loop_t *uv = pml_loop_uv(to->loop);
  pml_listener *s;
  if (port < 0 || port > 65535) return UV_EINVAL;
  int r = make(to, &s);
  if (r) return r;
  if (host && host[0]) r = bind_host(s, uv, host, port);
  else if ((r = bind_host(s, uv, "::", port)) == UV_EAFNOSUPPORT || r == UV_EADDRNOTAVAIL)
    r = bind_host(s, uv, "0.0.0.0", port);
  return opened(s, r, out);
}

int pml_listener_adopt(pml_conns *to, int fd, pml_listener **out) {
  pml_listener *s;
  int r = make(to, &s);
  if (!r && (r = uv_tcp_open(&s->tcp, fd))) r = opened(s, r, out);
  else if (!r) fd = -1;
  if (fd >= 0) close(fd);
  if (r) return r;
  keep_alive(s);
  return opened(s, uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection), out);
}

int pml_listener_port(const pml_listener *s) { return s->port; }

void pml_listener_close(pml_listener *s) { uv_close((uv_handle_t *)&s->tcp, on_closed); }
