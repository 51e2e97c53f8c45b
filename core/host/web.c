#include "host/web.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/throttle.h"
#include "host/web_file.h"
#include "wire/http_fields.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS 256u
#define TIMEOUT_S 30u

struct pml_web {
  struct MHD_Daemon *daemon;
  char *root;         /* absolute, without links, no slash at its end */
  const pml_log *log; /* own, or NULL */
  pml_log own;        /* the opener's, with a limit on lines: clients cause them */
  int port;
};

/* "/a/b", "/a/" or "/": every part between slashes has a name, and none starts
 * with a dot, which leaves out "..", "." and hidden files at once. */
static int path_is_plain(const char *path) {
  if (*path != '/') return 0;
  for (const char *p = path; *p; p++) {
    if (*p == '/' && (p[1] == '/' || p[1] == '.')) return 0;
  }
  return 1;
}

/* Opens what path names below the root. Returns the file, or -1; *real is where it lies. */
static int open_below(const pml_web *w, const char *path, char real[PATH_MAX]) {
  char full[PATH_MAX];
  size_t n = strlen(w->root);
  if (!path_is_plain(path)) return -1;
  if ((size_t)snprintf(full, sizeof full, "%s%s", w->root, path) >= sizeof full) return -1;
  if (!realpath(full, real)) return -1;
  /* Symbolic links were followed: their target must be inside as well, and not hidden. */
  if (strncmp(real, w->root, n) != 0 || (real[n] && !path_is_plain(real + n))) return -1;
  return open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static enum MHD_Result answer_page(struct MHD_Connection *c, unsigned status, const char *title) {
  char page[256];
  int n = snprintf(page, sizeof page,
                   "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>%u %s</title>"
                   "<h1>%u %s</h1></html>\n",
                   status, title, status, title);
  struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, page, MHD_RESPMEM_MUST_COPY);
  if (!r) return MHD_NO;
  MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
  if (status == 405) MHD_add_response_header(r, "Allow", "GET, HEAD");
  return pml__web_finish(c, status, r);
}

/* A folder without its slash: relative links in its index need that. */
static enum MHD_Result answer_moved(struct MHD_Connection *c, const char *path) {
  static const char hex[] = "0123456789ABCDEF";
  size_t n = strlen(path), k = 0;
  char *to = pml_alloc(3 * n + 2);
  for (size_t i = 0; i < n; i++) {
    unsigned char b = (unsigned char)path[i];
    if ((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
        strchr("/-._~", b)) {
      to[k++] = (char)b;
    } else { /* the path came decoded; a line break must not reach the header */
      to[k++] = '%';
      to[k++] = hex[b >> 4];
      to[k++] = hex[b & 15];
    }
  }
  to[k++] = '/';
  to[k] = 0;
  struct MHD_Response *r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
  if (r) MHD_add_response_header(r, "Location", to);
  pml_free(to);
  return pml__web_finish(c, 301, r);
}

/* Opens the file whose name is path and one more ending, unless it is older than the file. */
static int open_variant(pml_web *w, const char *path, const char *ending, const struct stat *file,
                        struct stat *st) {
  char name[PATH_MAX], real[PATH_MAX];
  if ((size_t)snprintf(name, sizeof name, "%s%s", path + strlen(w->root), ending) >= sizeof name)
    return -1;
  int fd = open_below(w, name, real);
  if (fd < 0) return -1;
  if (!fstat(fd, st) && S_ISREG(st->st_mode) && st->st_mtim.tv_sec >= file->st_mtim.tv_sec)
    return fd;
  close(fd);
  return -1;
}

/* The file, or its packed copy "FILE.br" or "FILE.gz" when the client prefers that. Takes fd. */
static enum MHD_Result answer_file(pml_web *w, struct MHD_Connection *c, int fd,
                                   const struct stat *st, const char *path) {
  static const char *const codings[][2] = {{".br", "br"}, {".gz", "gzip"}};
  const char *accepted = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept-Encoding");
  pml__web_file file = {.fd = fd, .st = *st, .path = path};
  int best = 0;
  for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
    struct stat variant;
    int other = open_variant(w, path, codings[i][0], st, &variant);
    if (other < 0) continue;
    file.varies = 1;
    int weight = pml_http_accepts(accepted, codings[i][1]);
    int drop = other;
    if (weight > best) {
      best = weight;
      drop = file.fd;
      file.fd = other;
      file.st = variant;
      file.coding = codings[i][1];
    }
    close(drop);
  }
  return pml__web_answer_file(c, &file);
}

static enum MHD_Result answer_path(pml_web *w, struct MHD_Connection *c, const char *path) {
  char real[PATH_MAX], index[PATH_MAX];
  struct stat st;
  int fd = open_below(w, path, real);
  int slash = path[0] && path[strlen(path) - 1] == '/';
  if (fd >= 0 && !fstat(fd, &st) && S_ISDIR(st.st_mode)) {
    close(fd);
    if (!slash) return answer_moved(c, path);
    if ((size_t)snprintf(index, sizeof index, "%sindex.html", path) >= sizeof index) {
      return answer_page(c, 404, "Not Found");
    }
    fd = open_below(w, index, real);
    slash = 0;
  }
  if (fd >= 0 && !slash && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
    return answer_file(w, c, fd, &st, real);
  }
  if (fd >= 0) close(fd);
  if (w->log) pml_log_some(w->log, PML_DEBUG, "web: no file", "web: no file for %s", path);
  return answer_page(c, 404, "Not Found");
}

static enum MHD_Result on_request(void *ud, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
  (void)version;
  (void)upload;
  (void)state;
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
    return answer_page(c, 405, "Method Not Allowed");
  }
  if (*upload_size) { /* a body on a GET is read and forgotten */
    *upload_size = 0;
    return MHD_YES;
  }
  return answer_path(ud, c, path);
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

static int fail(pml_web *w, int e, char *err, size_t nerr, const char *what, const char *why) {
  if (nerr) snprintf(err, nerr, "%s: %s", what, why);
  pml_web_close(w);
  return e;
}

static struct MHD_Daemon *start(pml_web *w, const struct sockaddr *a, int family, int port) {
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
  if (family == AF_INET6) flags |= MHD_USE_DUAL_STACK;
  return MHD_start_daemon(flags, (uint16_t)port, NULL, NULL, on_request, w,
                          MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)w, MHD_OPTION_SOCK_ADDR, a,
                          MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                          TIMEOUT_S, MHD_OPTION_UNESCAPE_CALLBACK, unescape, (void *)w,
                          MHD_OPTION_END);
}

static int find_root(pml_web *w, const char *root, char *err, size_t nerr) {
  struct stat st;
  w->root = realpath(root, NULL);
  if (!w->root) return fail(w, PML_ENOENT, err, nerr, root, strerror(errno));
  if (stat(w->root, &st) || !S_ISDIR(st.st_mode)) {
    return fail(w, PML_EINVAL, err, nerr, root, "not a folder");
  }
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

int pml_web_open(const char *host, int port, const char *root, const pml_log *log, pml_web **out,
                 char *err, size_t nerr) {
  pml_web *w = pml_alloc0(sizeof *w);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
  char service[16];
  if (log) limit_log(w, log);
  if (!host || !*host) host = "127.0.0.1";
  int r = find_root(w, root, err, nerr);
  if (r) return r;
  if (port < 0 || port > 65535) return fail(w, PML_EINVAL, err, nerr, "web port", "out of range");
  snprintf(service, sizeof service, "%d", port);
  r = getaddrinfo(host, service, &hints, &found);
  if (r) return fail(w, PML_EINVAL, err, nerr, host, gai_strerror(r));
  errno = 0;
  w->daemon = start(w, found->ai_addr, found->ai_family, port);
  int e = errno;
  freeaddrinfo(found);
  char what[300];
  snprintf(what, sizeof what, "web on %s:%d", host, port);
  if (!w->daemon) return fail(w, PML_EIO, err, nerr, what, e ? strerror(e) : "not started");
  w->port = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
  *out = w;
  return 0;
}

int pml_web_port(const pml_web *w) { return w->port; }

void pml_web_close(pml_web *w) {
  if (!w) return;
  if (w->daemon) MHD_stop_daemon(w->daemon);
  if (w->log) pml_log_left_out(w->log, 1);
  pml_throttle_free(w->own.throttle);
  free(w->root); /* realpath's */
  pml_free(w);
}
