#include "bind/l_socket.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/tls_client.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TNAME "pomelua.socket"
#define TRUST "pomelua.trust"
#define POLL_MAX 4096
#define PORTS_MAX 256
#define ANSWER_MS 1000 /* for what TLS itself has to say */

typedef struct {
  int fd;              /* -1: closed */
  pml_tls_client *tls; /* NULL: plain */
} sock;

typedef struct {
  pml_tls_trust *t;
} trust;

static void shut(sock *s) {
  pml_tls_client_free(s->tls);
  if (s->fd >= 0) close(s->fd);
  *s = (sock){.fd = -1};
}

static sock *check(lua_State *L, int idx) { return luaL_checkudata(L, idx, TNAME); }

static int io_error(lua_State *L, int err) {
  return pml_lua_fail(L, err == EPIPE || err == ECONNRESET ? PML_ECLOSED : PML_EIO, strerror(err));
}

/* Waits for events at fd until the clock shows `due`. Whether they came. */
static int wait_for(int fd, short events, uint64_t due) {
  for (;;) {
    uint64_t now = pml_clock_ms();
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, now >= due ? 0 : (int)(due - now));
    if (n > 0) return 1;
    if (n == 0 || errno != EINTR) return 0;
  }
}

static uint64_t due_at(lua_State *L, int idx) {
  lua_Number ms = luaL_checknumber(L, idx);
  luaL_argcheck(L, ms >= 0 && ms <= 2147483647.0, idx, "milliseconds");
  return pml_clock_ms() + (uint64_t)ms;
}

/* 0 and an fd, or an errno. */
static int dial(const struct addrinfo *a, uint64_t due, int *out) {
  int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, err = 0;
  socklen_t n = sizeof err;
  if (fd < 0) return errno;
  if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
    err = errno;
    if (err == EINPROGRESS) {
      err = ETIMEDOUT;
      if (wait_for(fd, POLLOUT, due)) getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
    }
  }
  if (err) {
    close(fd);
    return err;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  *out = fd;
  return 0;
}

/* Sends all, before `due`. 0, PML_ETIMEOUT, or -1 with errno. */
static int send_all(int fd, const void *bytes, size_t n, uint64_t due) {
  const char *p = bytes;
  while (n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    if (k > 0) {
      p += k;
      n -= (size_t)k;
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, due)) return PML_ETIMEOUT;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return 0;
}

/* Sends what TLS has to send. As send_all. */
static int send_sealed(sock *s, uint64_t due) {
  pml_writer w = {0};
  pml_tls_client_take(s->tls, &w);
  int rc = w.len ? send_all(s->fd, pml_writer_at(&w, 0), w.len, due) : 0;
  pml_writer_drop(&w);
  return rc;
}

static ssize_t receive(int fd, void *buf, size_t n) {
  ssize_t k;
  do k = recv(fd, buf, n, 0);
  while (k < 0 && errno == EINTR);
  return k;
}

/* The handshake, before `due`. 0, or what l_connect answers. */
static int shake(lua_State *L, sock *s, uint64_t due) {
  uint8_t buf[16384];
  for (;;) {
    int done = pml_tls_client_shake(s->tls);
    int rc = send_sealed(s, due);
    if (done < 0) return pml_lua_fail(L, done, pml_tls_client_error(s->tls));
    if (rc == PML_ETIMEOUT) return pml_lua_fail(L, rc, "the other side takes no more");
    if (rc) return io_error(L, errno);
    if (done) return 0;
    if (!wait_for(s->fd, POLLIN, due))
      return pml_lua_fail(L, PML_ETIMEOUT, "no answer to the TLS handshake");
    ssize_t n = receive(s->fd, buf, sizeof buf);
    if (n == 0) return pml_lua_fail(L, PML_ECLOSED, "closed in the TLS handshake");
    if (n < 0 && errno != EAGAIN) return io_error(L, errno);
    if (n > 0) pml_tls_client_feed(s->tls, buf, (size_t)n);
  }
}

/* core.trust(ca | nil, insecure) -> trust | nil, message, "INVAL": whom TLS clients believe: the
 * authorities in that PEM file, or nil: those of the system; insecure: anybody */
static int l_trust(lua_State *L) {
  char err[512];
  const char *ca = lua_isnoneornil(L, 1) ? NULL : pml_lua_ctext(L, 1, "ca");
  int insecure = lua_toboolean(L, 2);
  trust *t = lua_newuserdata(L, sizeof *t);
  t->t = NULL;
  luaL_getmetatable(L, TRUST);
  lua_setmetatable(L, -2);
  t->t = pml_tls_trust_new(ca, insecure, err, sizeof err);
  return t->t ? 1 : pml_lua_fail(L, PML_EINVAL, err);
}

/* the trust loses its one holder; clients that were made with it stay */
static int l_distrust(lua_State *L) {
  trust *t = luaL_checkudata(L, 1, TRUST);
  pml_tls_trust_free(t->t);
  t->t = NULL;
  return 0;
}

/* core.connect(host, port, ms, trust, name) -> socket | nil, message, NAME. trust: by TLS, and the
 * server's certificate has to be for name, or for host when it is nil */
static int l_connect(lua_State *L) {
  const char *host = pml_lua_ctext(L, 1, "host");
  char port[16];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  uint64_t due = due_at(L, 3);
  trust *t = lua_isnoneornil(L, 4) ? NULL : luaL_checkudata(L, 4, TRUST);
  const char *name = lua_isnoneornil(L, 5) ? host : pml_lua_ctext(L, 5, "name");
  snprintf(port, sizeof port, "%d", (int)luaL_checkinteger(L, 2));
  sock *s = lua_newuserdata(L, sizeof *s);
  *s = (sock){.fd = -1};
  luaL_getmetatable(L, TNAME);
  lua_setmetatable(L, -2);
  int rc = getaddrinfo(host, port, &hints, &list);
  if (rc != 0) return pml_lua_fail(L, PML_ENOENT, gai_strerror(rc));
  int err = EIO;
  for (struct addrinfo *a = list; a && s->fd < 0; a = a->ai_next) err = dial(a, due, &s->fd);
  freeaddrinfo(list);
  if (s->fd < 0) return io_error(L, err);
  if (!t) return 1;
  s->tls = pml_tls_client_new(t->t, name);
  int answers = shake(L, s, due);
  if (answers) shut(s);
  return answers ? answers : 1;
}

/* socket:send(bytes, ms) -> true | nil, message, NAME */
static int l_send(lua_State *L) {
  sock *s = check(L, 1);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  uint64_t due = due_at(L, 3);
  if (s->fd < 0) return pml_lua_fail(L, PML_ECLOSED, "closed");
  if (s->tls && pml_tls_client_write(s->tls, p, n) != 0)
    return pml_lua_fail(L, PML_EPROTO, pml_tls_client_error(s->tls));
  int rc = s->tls ? send_sealed(s, due) : send_all(s->fd, p, n, due);
  if (rc == PML_ETIMEOUT) return pml_lua_fail(L, rc, "the other side takes no more");
  if (rc) return io_error(L, errno);
  lua_pushboolean(L, 1);
  return 1;
}

/* What TLS makes of n bytes of the server. */
static int unseal(lua_State *L, sock *s, const uint8_t *p, size_t n) {
  pml_writer w = {0};
  pml_tls_client_feed(s->tls, p, n);
  int rc = pml_tls_client_read(s->tls, &w);
  if (rc == 0) send_sealed(s, pml_clock_ms() + ANSWER_MS);
  if (w.len || rc == 0) {
    lua_pushlstring(L, w.len ? (const char *)pml_writer_at(&w, 0) : "", w.len);
    pml_writer_drop(&w);
    return 1; /* what is wrong comes again with the next call */
  }
  pml_writer_drop(&w);
  return pml_lua_fail(
    L, rc, rc == PML_ECLOSED ? "closed by the other side" : pml_tls_client_error(s->tls));
}

/* socket:receive() -> what is there, "" when nothing is | nil, message, "CLOSED" */
static int l_receive(lua_State *L) {
  sock *s = check(L, 1);
  uint8_t buf[65536];
  if (s->fd < 0) return pml_lua_fail(L, PML_ECLOSED, "closed");
  ssize_t n = receive(s->fd, buf, sizeof buf);
  if (n == 0) return pml_lua_fail(L, PML_ECLOSED, "closed by the other side");
  if (n < 0 && errno != EAGAIN) return io_error(L, errno);
  if (s->tls) return unseal(L, s, buf, n > 0 ? (size_t)n : 0);
  lua_pushlstring(L, (const char *)buf, n > 0 ? (size_t)n : 0);
  return 1;
}

/* socket:close(reset): reset: what is under way is lost */
static int l_close(lua_State *L) {
  sock *s = check(L, 1);
  struct linger now = {1, 0};
  if (s->fd < 0) return 0;
  if (lua_toboolean(L, 2)) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  shut(s);
  return 0;
}

/* core.poll({socket, …}, ms) -> array of booleans: which have something to receive */
static int l_poll(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  uint64_t due = due_at(L, 2), now;
  int n = (int)lua_objlen(L, 1);
  luaL_argcheck(L, n <= POLL_MAX, 1, "at most 4096 sockets");
  struct pollfd *p = lua_newuserdata(L, ((size_t)n + 1) * sizeof *p);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    p[i] = (struct pollfd){.fd = check(L, -1)->fd, .events = POLLIN};
    lua_pop(L, 1);
  }
  while ((now = pml_clock_ms()),
         poll(p, (nfds_t)n, now >= due ? 0 : (int)(due - now)) < 0 && errno == EINTR) {}
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushboolean(L, p[i].revents != 0);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.free_ports(n) -> n different ports of 127.0.0.1 without a listener */
static int l_free_ports(lua_State *L) {
  int n = (int)luaL_checkinteger(L, 1), fds[PORTS_MAX], held = 0;
  luaL_argcheck(L, n >= 0 && n <= PORTS_MAX, 1, "0 to 256");
  lua_createtable(L, n, 0);
  while (held < n) { /* all are held until the last one is known */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) break;
    fds[held++] = fd;
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) break;
    getsockname(fd, (struct sockaddr *)&a, &len);
    lua_pushinteger(L, ntohs(a.sin_port));
    lua_rawseti(L, -2, held);
  }
  for (int i = 0; i < held; i++) close(fds[i]);
  if ((int)lua_objlen(L, -1) < n) return luaL_error(L, "no free port");
  return 1;
}

/* core.clock() -> monotonic milliseconds */
static int l_clock(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_clock_ms());
  return 1;
}

static const luaL_Reg methods[] = {
  {"send", l_send}, {"receive", l_receive}, {"close", l_close}, {NULL, NULL}};

static const luaL_Reg nothing[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
  {"connect", l_connect},       {"trust", l_trust}, {"poll", l_poll},
  {"free_ports", l_free_ports}, {"clock", l_clock}, {NULL, NULL},
};

void pml_open_socket(lua_State *L) {
  pml_lua_class(L, TNAME, methods, l_close);
  pml_lua_class(L, TRUST, nothing, l_distrust);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
}
