#include "host/control.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE_MAX (8u << 20) /* bytes that a client may leave unread */

typedef struct {
  uv_pipe_t pipe; /* data: the client */
  pml_control *of;
  pml_id id;
  char *line; /* owned; PML_CONTROL_LINE bytes once something came */
  size_t have;
  int closing;
} client;

typedef struct {
  uv_write_t req;
  pml_buf *text;
} write_req;

struct pml_control {
  uv_pipe_t pipe; /* data: the control */
  pml_loop *loop;
  pml_control_events ev;
  pml_slots *clients;
  char *path;
  size_t handles; /* not closed yet */
  int closing;
};

/* --- a path of any length ------------------------------------------------------- */

/* The path of a Unix socket has at most 107 bytes. A longer one is reached by its open folder.
 * Returns that folder's descriptor, or negative. */
static int short_path(const char *path, struct sockaddr_un *a) {
  const char *slash = strrchr(path, '/');
  char *dir = slash ? pml_strndup(path, (size_t)(slash - path) + 1) : pml_strdup("./");
  int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  pml_free(dir);
  if (fd < 0) return -1;
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  int n =
    snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", fd, slash ? slash + 1 : path);
  if (n > 0 && (size_t)n < sizeof a->sun_path) return fd;
  close(fd);
  errno = ENAMETOOLONG;
  return -1;
}

int pml_control_connect(const char *path) {
  struct sockaddr_un a;
  int dir = short_path(path, &a);
  if (dir < 0) return errno == ENOENT ? PML_ENOENT : PML_EIO;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int rc = fd < 0 ? PML_EIO : 0;
  if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
    rc = errno == ENOENT || errno == ECONNREFUSED ? PML_ENOENT : PML_EIO;
    close(fd);
  }
  close(dir);
  return rc ? rc : fd;
}

static int bind_path(const char *path, char *err, size_t nerr) {
  struct sockaddr_un a;
  int other = pml_control_connect(path);
  if (other >= 0) {
    close(other);
    snprintf(err, nerr, "%s: another program listens there", path);
    return PML_EEXIST;
  }
  unlink(path);
  int dir = short_path(path, &a);
  int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  /* The mode is set before a client can connect, because the socket does not listen yet. */
  if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || chmod(path, 0600) != 0)) {
    close(fd);
    fd = -1;
  }
  if (fd < 0) snprintf(err, nerr, "%s: %s", path, strerror(errno));
  if (dir >= 0) close(dir);
  return fd < 0 ? PML_EIO : fd;
}

/* --- the end ------------------------------------------------------------------------ */

static void handle_closed(pml_control *c) {
  if (--c->handles) return;
  pml_slots_free(c->clients);
  pml_free(c->path);
  pml_free(c);
}

static void client_closed(uv_handle_t *h) {
  client *k = h->data;
  pml_control *c = k->of;
  pml_free(k->line);
  pml_free(k);
  handle_closed(c);
}

static void client_close(client *k) {
  if (k->closing) return;
  k->closing = 1;
  pml_slots_take(k->of->clients, k->id);
  uv_close((uv_handle_t *)&k->pipe, client_closed);
  if (!k->of->closing && k->of->ev.on_gone) k->of->ev.on_gone(k->id, k->of->ev.ud);
}

static void control_closed(uv_handle_t *h) { handle_closed(h->data); }

void pml_control_close(pml_control *c) {
  uint32_t at = 0;
  pml_id id;
  client *k;
  if (c->closing) return;
  c->closing = 1;
  unlink(c->path);
  while ((k = pml_slots_next(c->clients, &at, &id))) client_close(k);
  uv_close((uv_handle_t *)&c->pipe, control_closed);
}

/* --- lines -------------------------------------------------------------------------- */

int pml_control_peer(pml_control *c, pml_id id, uint32_t *uid, uint32_t *pid) {
  client *k = pml_slots_get(c->clients, id);
  struct ucred who;
  socklen_t n = sizeof who;
  uv_os_fd_t fd;
  if (!k || uv_fileno((uv_handle_t *)&k->pipe, &fd) != 0) return PML_ENOENT;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0) return PML_ENOENT;
  *uid = who.uid;
  *pid = (uint32_t)who.pid;
  return 0;
}

static void on_written(uv_write_t *req, int status) {
  write_req *w = (write_req *)(void *)req;
  client *k = req->data;
  pml_buf_unref(w->text);
  pml_free(w);
  if (status != 0 && status != UV_ECANCELED) client_close(k);
}

int pml_control_write(pml_control *c, pml_id id, pml_slice text) {
  client *k = pml_slots_get(c->clients, id);
  if (!k) return PML_ENOENT;
  if (uv_stream_get_write_queue_size((uv_stream_t *)&k->pipe) + text.n > QUEUE_MAX) {
    client_close(k);
    return PML_ENOENT;
  }
  write_req *w = pml_alloc(sizeof *w);
  w->text = pml_buf_new(text.n + 1);
  pml_slice_copy(w->text->data, text);
  w->text->data[text.n] = '\n';
  w->req.data = k;
  uv_buf_t b = uv_buf_init((char *)w->text->data, w->text->len);
  if (uv_write(&w->req, (uv_stream_t *)&k->pipe, &b, 1, on_written) == 0) return 0;
  pml_buf_unref(w->text);
  pml_free(w);
  client_close(k);
  return PML_ENOENT;
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *out) {
  client *k = h->data;
  (void)hint;
  if (!k->line) k->line = pml_alloc(PML_CONTROL_LINE);
  *out = uv_buf_init(k->line + k->have, (unsigned)(PML_CONTROL_LINE - k->have));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  client *k = s->data;
  pml_control *c = k->of;
  (void)buf;
  if (n < 0) { /* UV_ENOBUFS: the line is too long */
    client_close(k);
    return;
  }
  k->have += (size_t)n;
  size_t at = 0;
  while (!k->closing) {
    char *end = memchr(k->line + at, '\n', k->have - at);
    if (!end) break;
    size_t len = (size_t)(end - (k->line + at));
    pml_slice line = pml_slice_of(k->line + at, len);
    at += len + 1;
    c->ev.on_line(k->id, line, c->ev.ud);
  }
  memmove(k->line, k->line + at, k->have - at);
  k->have -= at;
}

/* A tool above the limit is told so, and its question is not read. */
static void refuse(client *k) {
  static const char busy[] =
    "{\"ok\":false,\"message\":\"too many tools speak with this program at once\","
    "\"done\":true}\n";
  uv_buf_t b = uv_buf_init((char *)(uintptr_t)busy, sizeof busy - 1);
  uv_try_write((uv_stream_t *)&k->pipe, &b, 1);
}

static void on_connection(uv_stream_t *s, int status) {
  pml_control *c = s->data;
  if (status != 0 || c->closing) return;
  client *k = pml_alloc0(sizeof *k);
  k->of = c;
  k->pipe.data = k;
  uv_pipe_init(pml_loop_uv(c->loop), &k->pipe, 0);
  c->handles++;
  if (pml_slots_count(c->clients) < PML_CONTROL_CLIENTS) k->id = pml_slots_put(c->clients, k);
  int rc = uv_accept(s, (uv_stream_t *)&k->pipe);
  if (rc == 0 && !k->id) refuse(k);
  if (rc != 0 || !k->id || uv_read_start((uv_stream_t *)&k->pipe, on_alloc, on_read) != 0) {
    pml_slots_take(c->clients, k->id);
    k->closing = 1;
    uv_close((uv_handle_t *)&k->pipe, client_closed);
  }
}

int pml_control_open(pml_loop *l, const char *path, const pml_control_events *ev, pml_control **out,
                     char *err, size_t nerr) {
  int fd = bind_path(path, err, nerr);
  if (fd < 0) return fd;
  pml_control *c = pml_alloc0(sizeof *c);
  c->loop = l;
  c->ev = *ev;
  c->path = pml_strdup(path);
  c->clients = pml_slots_new(NULL);
  c->handles = 1;
  c->pipe.data = c;
  uv_pipe_init(pml_loop_uv(l), &c->pipe, 0);
  int rc = uv_pipe_open(&c->pipe, fd);
  if (rc != 0) close(fd);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&c->pipe, 128, on_connection);
  if (rc != 0) {
    snprintf(err, nerr, "%s: %s", path, uv_strerror(rc));
    pml_control_close(c);
    return PML_EIO;
  }
  *out = c;
  return 0;
}
