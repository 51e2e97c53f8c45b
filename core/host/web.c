#include "host/web.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/port.h"
#include "base/throttle.h"
#include "host/web_alarm.h"
#include "host/web_answer.h"
#include "host/web_guard.h"
#include "host/web_path.h"
#include "host/web_request.h"
#include "host/web_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct pml_web {
  struct MHD_Daemon *daemon;
  char *root;         /* absolute, without links, no slash at its end; NULL: there are no pages */
  const pml_log *log; /* own, or NULL */
  pml_log own;        /* the opener's, with a limit on lines: clients cause them */
  int port, no_health, quiesce;
  pml__web_answers answers;
  pml__web_routes routes;
  pml__web_guard *guard;
  pml__web_tls *tls; /* NULL: HTTP */
  pml__web_alarm *alarm;
  _Atomic uint64_t health; /* state, up, servers: 8, 24 and 24 bits */
  _Atomic(const char *) bus;
};

/* --- health --------------------------------------------------------------------------- */

#define COUNT_MAX 0xffffffu

void pml_web_set_health(pml_web *w, pml_web_state state, unsigned up, unsigned servers) {
  uint64_t u = up < COUNT_MAX ? up : COUNT_MAX, s = servers < COUNT_MAX ? servers : COUNT_MAX;
  atomic_store(&w->health, (uint64_t)state << 48 | u << 24 | s);
}

void pml_web_set_bus(pml_web *w, int up) { atomic_store(&w->bus, up ? "up" : "down"); }

static enum MHD_Result answer_health(pml_web *w, struct MHD_Connection *c) {
  uint64_t h = atomic_load(&w->health);
  return pml__web_answer_health(&w->answers, c, (pml_web_state)(h >> 48),
                                (unsigned)(h >> 24 & COUNT_MAX), (unsigned)(h & COUNT_MAX),
                                atomic_load(&w->bus));
}

/* --- requests --------------------------------------------------------------------------- */

static void put(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

static enum MHD_Result collect(void *ud, enum MHD_ValueKind kind, const char *name,
                               const char *value) {
  (void)kind;
  if (!value || strcasecmp(name, "X-Forwarded-For") != 0) return MHD_YES;
  put(ud, "X-Forwarded-For: ");
  put(ud, value);
  put(ud, "\r\n");
  return MHD_YES;
}

static pml__web_conn *conn_of(struct MHD_Connection *c) {
  return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Whether the limits of the client that a trusted proxy names allow one more request. */
static int may_ask(struct MHD_Connection *c) {
  pml__web_conn *conn = conn_of(c);
  pml_writer head = {0};
  if (!pml__web_conn_of_proxy(conn)) return pml__web_guard_asks(conn, pml_slice_of(NULL, 0));
  put(&head, "\r\n"); /* for the line of the request */
  MHD_get_connection_values(c, MHD_HEADER_KIND, collect, &head);
  int ok = pml__web_guard_asks(conn, pml_slice_of(pml_writer_at(&head, 0), head.len));
  pml_writer_drop(&head);
  return ok;
}

static enum MHD_Result answer_file(pml_web *w, struct MHD_Connection *c, const char *path) {
  char who[PML_ADDRESS_TEXT];
  unsigned status = 0;
  enum MHD_Result r = pml__web_answer_path(&w->answers, w->root, c, path, &status);
  if (w->log && status == 404) {
    pml__web_conn_print(conn_of(c), who);
    pml_log_some(w->log, PML_DEBUG, "web: no file", "web: no file for %s, which %s asks for", path,
                 who);
  }
  return r;
}

static int is_health(const pml_web *w, const char *path) {
  return !w->no_health && strcmp(path, "/health") == 0;
}

static enum MHD_Result answer_whole(pml_web *w, struct MHD_Connection *c, const char *path) {
  enum MHD_Result r = is_health(w, path) ? answer_health(w, c)
                      : w->root          ? answer_file(w, c, path)
                                         : pml__web_answer_page(&w->answers, c, 404);
  if (r == MHD_YES) pml__web_guard_answers(conn_of(c));
  return r;
}

/* Proxies and servers may differ about where a body ends. */
static int has_body(struct MHD_Connection *c) {
  const char *n = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
  return (n && strcmp(n, "0") != 0) ||
         MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* The head is there. An answer to it, before the end of the request, closes the connection behind
 * it, and what follows is not read. */
static enum MHD_Result on_head(pml_web *w, pml__web_request *q, struct MHD_Connection *c,
                               const char *path, const char *method) {
  enum MHD_Result r;
  if (!may_ask(c)) return pml__web_answer_page(&w->answers, c, 429);
  if (q && !is_health(w, path) && pml__web_request_head(&w->routes, q, c, method, &r)) return r;
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
    return pml__web_answer_page(&w->answers, c, 405);
  return has_body(c) ? answer_whole(w, c, path) : MHD_YES;
}

/* More of a request for a route. */
static enum MHD_Result on_more(pml_web *w, pml__web_request *q, struct MHD_Connection *c,
                               const char *upload, size_t *size) {
  uint64_t due = 0;
  int answered = 0, body = *size > 0;
  if (!body) pml__web_guard_waits(conn_of(c));
  enum MHD_Result r = pml__web_request_more(&w->routes, q, upload, size, &due, &answered);
  if (due) pml__web_alarm_by(w->alarm, due);
  if (answered && r == MHD_YES) pml__web_guard_answers(conn_of(c));
  return r;
}

/* It is called when the head is there, with pieces of a body, and, if the head was not answered, at
 * the end of the request; for a route also when there is an answer. *state: the request, when there
 * may be routes. */
static enum MHD_Result on_request(void *ud, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
  pml_web *w = ud;
  pml__web_request *q = w->routes.calls ? *state : NULL;
  int first = q ? pml__web_request_begins(q) : !*state;
  (void)version;
  if (!q) *state = w;
  if (first) return on_head(w, q, c, path, method);
  return q && pml__web_request_is_taken(q) ? on_more(w, q, c, upload, upload_size)
                                           : answer_whole(w, c, path);
}

static void *on_line(void *ud, const char *uri, struct MHD_Connection *c) {
  pml_web *w = ud;
  pml__web_guard_begins(conn_of(c));
  return w->routes.calls ? pml__web_request_new(uri) : NULL;
}

static void on_completed(void *ud, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how) {
  pml_web *w = ud;
  (void)how;
  if (w->routes.calls) pml__web_request_free(&w->routes, *state);
  *state = NULL;
  pml__web_guard_ends(conn_of(c));
}

/* --- connections ------------------------------------------------------------------------ */

static enum MHD_Result on_accept(void *ud, const struct sockaddr *from, socklen_t n) {
  pml_web *w = ud;
  (void)n;
  return pml__web_guard_admits(w->guard, from) ? MHD_YES : MHD_NO;
}

static void on_connection(void *ud, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  pml_web *w = ud;
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    pml__web_guard_closed(*context);
    *context = NULL;
    return;
  }
  int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  const struct sockaddr *from =
    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
  *context = pml__web_guard_opened(w->guard, from, fd, w);
}

/* gnutls_certificate_retrieve_function3. It has no argument of ours; libmicrohttpd sets its
 * connection as the pointer of the session. */
static int on_handshake(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                        gnutls_pcert_st **certs, unsigned *n, gnutls_ocsp_data_st **ocsp,
                        unsigned *nocsp, gnutls_privkey_t *key, unsigned *flags) {
  (void)info;
  pml_web *w = pml__web_conn_owner(conn_of(gnutls_session_get_ptr(session)));
  *ocsp = NULL;
  *nocsp = 0;
  *flags = 0;
  pml__web_tls_pair(w->tls, certs, n, key);
  return 0;
}

/* An unescaped byte must not end the string early: "/a%00.html" is not "/a". */
static size_t unescape(void *ud, struct MHD_Connection *c, char *s) {
  (void)ud;
  (void)c;
  for (char *p = s; (p = strstr(p, "%00"));) p[0] = '/', p[1] = '/'; /* no file has that path */
  return MHD_http_unescape(s);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ud, const char *format, va_list ap) {
  pml_web *w = ud;
  char line[512];
  int n = vsnprintf(line, sizeof line, format, ap);
  if (n < 0 || !w->log) return;
  size_t k = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  while (k && line[k - 1] == '\n') k--;
  pml_log_some(w->log, PML_DEBUG, "web: what clients sent", "web: %.*s", (int)k, line);
}

static uint64_t on_alarm(uint64_t now, void *ud) {
  pml_web *w = ud;
  uint64_t next = pml__web_guard_look(w->guard, now);
  uint64_t look = w->tls ? pml__web_tls_look(w->tls, now, w->guard) : 0;
  uint64_t late = w->routes.calls ? pml_web_calls_look(w->routes.calls, now) : 0;
  if (late && (!next || late < next)) next = late;
  return look && (!next || look < next) ? look : next;
}

/* --- opening ------------------------------------------------------------------------------ */

/* key: of config/web.json */
static int fail(int e, char *err, size_t nerr, const char *key, const char *value,
                const char *why) {
  if (nerr) snprintf(err, nerr, "%s: %s: %s", key, value, why);
  return e;
}

/* With TLS by poll(): by epoll, libmicrohttpd 0.9.75 takes a whole core for as long as a handshake
 * is incomplete, because it does not forget that the socket was readable. */
static struct MHD_Daemon *start(pml_web *w, const struct sockaddr *a, int port, int fd) {
  unsigned flags = MHD_USE_ERROR_LOG;
  flags |= w->tls ? MHD_USE_TLS | MHD_USE_POLL_INTERNAL_THREAD : MHD_USE_EPOLL_INTERNAL_THREAD;
  if (fd >= 0) flags |= MHD_USE_ITC; /* for MHD_quiesce_daemon */
  else if (a->sa_family == AF_INET6) flags |= MHD_USE_DUAL_STACK;
  struct MHD_OptionItem where[] = {
    {fd >= 0 ? MHD_OPTION_LISTEN_SOCKET : MHD_OPTION_SOCK_ADDR, fd >= 0 ? fd : 0,
     fd >= 0 ? NULL : (void *)(uintptr_t)a},
    {MHD_OPTION_END, 0, NULL},
  };
  if (w->routes.calls) flags |= MHD_ALLOW_SUSPEND_RESUME;
  struct MHD_OptionItem secure[] = {
    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PML__WEB_TLS_PRIORITIES},
    {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)on_handshake},
    {MHD_OPTION_END, 0, NULL},
  };
  return MHD_start_daemon(
    flags, (uint16_t)port, on_accept, w, on_request, w, MHD_OPTION_EXTERNAL_LOGGER, on_log,
    (void *)w, MHD_OPTION_ARRAY, where, MHD_OPTION_CONNECTION_LIMIT,
    (unsigned)pml__web_guard_places(w->guard), MHD_OPTION_UNESCAPE_CALLBACK, unescape, (void *)w,
    MHD_OPTION_NOTIFY_CONNECTION, on_connection, (void *)w, MHD_OPTION_URI_LOG_CALLBACK, on_line,
    (void *)w, MHD_OPTION_NOTIFY_COMPLETED, on_completed, (void *)w, MHD_OPTION_ARRAY,
    w->tls ? secure : &secure[2], MHD_OPTION_END);
}

static int find_root(pml_web *w, const char *root, char *err, size_t nerr) {
  struct stat st;
  w->root = realpath(root, NULL);
  if (!w->root) return fail(PML_ENOENT, err, nerr, "root", root, strerror(errno));
  if (stat(w->root, &st) || !S_ISDIR(st.st_mode))
    return fail(PML_EINVAL, err, nerr, "root", root, "not a folder");
  if (strcmp(w->root, "/") == 0) w->root[0] = 0;
  return 0;
}

static uint64_t log_now(void *ud) {
  (void)ud;
  return pml_clock_ms();
}

static void limit_log(pml_web *w, const pml_log *log) {
  pml_throttle_hooks hooks = {.now = log_now};
  w->own = *log;
  w->own.throttle = pml_throttle_new(&hooks);
  w->log = &w->own;
}

static int listen_on(pml_web *w, const pml_web_options *o, char *err, size_t nerr) {
  const char *host = o->host && *o->host ? o->host : "127.0.0.1";
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
  char service[16], what[300];
  snprintf(service, sizeof service, "%d", o->port);
  if (o->port < 0 || o->port > 65535)
    return fail(PML_EINVAL, err, nerr, "port", service, "out of range");
  int r = getaddrinfo(host, service, &hints, &found);
  if (r) return fail(PML_EINVAL, err, nerr, "host", host, gai_strerror(r));
  errno = 0;
  w->daemon = start(w, found->ai_addr, o->port, -1);
  int e = errno;
  freeaddrinfo(found);
  snprintf(what, sizeof what, "%s:%d", host, o->port);
  if (!w->daemon) {
    char why[300];
    snprintf(why, sizeof why, "%s%s", e ? strerror(e) : "not started", pml_port_hint(o->port, e));
    return fail(PML_EIO, err, nerr, "port", what, why);
  }
  w->port = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
  return 0;
}

/* Serves a socket that somebody else has opened. */
static int listen_with(pml_web *w, int socket, char *err, size_t nerr) {
  struct sockaddr_storage a;
  socklen_t n = sizeof a;
  int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  memset(&a, 0, sizeof a);
  getsockname(fd, (struct sockaddr *)&a, &n);
  w->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                          : ((struct sockaddr_in *)&a)->sin_port);
  w->daemon = fd >= 0 ? start(w, NULL, w->port, fd) : NULL;
  if (w->daemon) {
    w->quiesce = 1;
    return 0;
  }
  if (fd >= 0) close(fd);
  return fail(PML_EIO, err, nerr, "port", "the socket that was handed over", "not started");
}

static int open_tls(pml_web *w, const pml_web_options *o, char *err, size_t nerr) {
  if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
    return fail(PML_EINVAL, err, nerr, "cert", o->cert, "this libmicrohttpd was built without TLS");
  return pml__web_tls_new(o, w->log, &w->tls, err, nerr);
}

int pml_web_open(const pml_web_options *o, const pml_log *log, pml_web **out, char *err,
                 size_t nerr) {
  pml_web *w = pml_alloc0(sizeof *w);
  if (log) limit_log(w, log);
  w->no_health = o->no_health;
  w->guard = pml__web_guard_new(o, w->log);
  pml__web_answers_init(&w->answers, o, o->cert != NULL);
  w->routes = (pml__web_routes){o->calls, &w->answers, w->log, o->root != NULL};
  int r = o->root ? find_root(w, o->root, err, nerr) : 0;
  if (r == 0 && o->cert) r = open_tls(w, o, err, nerr);
  if (r == 0) w->alarm = pml__web_alarm_new(on_alarm, w);
  if (r == 0 && !w->alarm) r = fail(PML_EIO, err, nerr, "port", "", "no thread for it");
  if (r == 0) {
    pml__web_guard_set_alarm(w->guard, w->alarm);
    if (w->tls) pml__web_alarm_by(w->alarm, pml_clock_ms());
    r = o->has_socket ? listen_with(w, o->socket, err, nerr) : listen_on(w, o, err, nerr);
  }
  if (r != 0) pml_web_close(w);
  else *out = w;
  return r;
}

/* --- what others ask ------------------------------------------------------------------------ */

int pml_web_port(const pml_web *w) { return w->port; }

int pml_web_is_secure(const pml_web *w) { return w->tls != NULL; }

int pml_web_renew(pml_web *w, char *err, size_t nerr) {
  return w->tls ? pml__web_tls_renew(w->tls, err, nerr) : 0;
}

static void count_calls(pml_web_calls *c, void (*fn)(const char *name, uint64_t n, void *ud),
                        void *ud) {
  pml_web_call_counts n = pml_web_calls_counts(c);
  fn("httpWaiting", n.waiting, ud);
  fn("httpRequests", n.requests, ud);
  fn("httpAnswered", n.answered, ud);
  fn("httpFailed", n.failed, ud);
  fn("httpLate", n.late, ud);
  fn("httpBusy", n.busy, ud);
  fn("httpDown", n.down, ud);
  fn("httpTooBig", n.too_big, ud);
}

void pml_web_counts(pml_web *w, void (*fn)(const char *name, uint64_t n, void *ud), void *ud) {
  pml__web_counts n = pml__web_guard_counts(w->guard);
  uint64_t renewed = 0, failed = 0;
  if (w->tls) pml__web_tls_counts(w->tls, &renewed, &failed);
  fn("connections", n.open, ud);
  fn("accepted", n.connections, ud);
  fn("requests", n.requests, ud);
  fn("refused", n.refused_full, ud);
  fn("refusedAddress", n.refused_address, ud);
  fn("refusedRate", n.refused_rate, ud);
  fn("closedIdle", n.made_room, ud);
  fn("closedRequest", n.ended_request, ud);
  fn("closedSlow", n.ended_answer, ud);
  fn("certificates", renewed, ud);
  fn("certificatesBad", failed, ud);
  if (w->routes.calls) count_calls(w->routes.calls, fn, ud);
}

void pml_web_close(pml_web *w) {
  if (!w) return;
  /* libmicrohttpd would shut down a listening socket that others have, too. */
  int fd = w->daemon && w->quiesce ? MHD_quiesce_daemon(w->daemon) : -1;
  if (w->daemon) MHD_stop_daemon(w->daemon);
  if (fd >= 0) close(fd);
  pml__web_alarm_free(w->alarm);
  pml__web_tls_free(w->tls);
  pml__web_guard_free(w->guard);
  pml__web_answers_clear(&w->answers);
  if (w->log) pml_log_left_out(w->log, 1);
  pml_throttle_free(w->own.throttle);
  free(w->root); /* realpath's */
  pml_free(w);
}
