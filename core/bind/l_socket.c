#include "bind/l_socket.h"

#include "base/clock.h"
#include "base/err.h"
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
#define POLL_MAX 4096
#define PORTS_MAX 256

typedef struct {
  int fd; /* -1: closed */
} sock;

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

/* core.connect(host, port, ms) -> socket | nil, message, NAME */
static int l_connect(lua_State *L) {
  const char *host = pml_lua_ctext(L, 1, "host");
  char port[16];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  uint64_t due = due_at(L, 3);
  snprintf(port, sizeof port, "%d", (int)luaL_checkinteger(L, 2));
  sock *s = lua_newuserdata(L, sizeof *s);
  s->fd = -1;
  luaL_getmetatable(L, TNAME);
  lua_setmetatable(L, -2);
  int rc = getaddrinfo(host, port, &hints, &list);
  if (rc != 0) return pml_lua_fail(L, PML_ENOENT, gai_strerror(rc));
  int err = EIO;
  for (struct addrinfo *a = list; a && s->fd < 0; a = a->ai_next) err = dial(a, due, &s->fd);
  freeaddrinfo(list);
  return s->fd < 0 ? io_error(L, err) : 1;
}

/* socket:send(bytes, ms) -> true | nil, message, NAME */
static int l_send(lua_State *L) {
  sock *s = check(L, 1);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  uint64_t due = due_at(L, 3);
  if (s->fd < 0) return pml_lua_fail(L, PML_ECLOSED, "closed");
  while (n) {
    ssize_t k = send(s->fd, p, n, MSG_NOSIGNAL);
    if (k > 0) {
      p += k;
      n -= (size_t)k;
    } else if (errno == EAGAIN) {
      if (!wait_for(s->fd, POLLOUT, due))
        return pml_lua_fail(L, PML_ETIMEOUT, "the other side takes no more");
    } else if (errno != EINTR) {
      return io_error(L, errno);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* socket:receive() -> what is there, "" when nothing is | nil, message, "CLOSED" */
static int l_receive(lua_State *L) {
  sock *s = check(L, 1);
  char buf[65536];
  if (s->fd < 0) return pml_lua_fail(L, PML_ECLOSED, "closed");
  ssize_t n;
  do n = recv(s->fd, buf, sizeof buf, 0);
  while (n < 0 && errno == EINTR);
  if (n == 0) return pml_lua_fail(L, PML_ECLOSED, "closed by the other side");
  if (n < 0 && errno != EAGAIN) return io_error(L, errno);
  lua_pushlstring(L, buf, n > 0 ? (size_t)n : 0);
  return 1;
}

/* socket:close(reset): reset: what is under way is lost */
static int l_close(lua_State *L) {
  sock *s = check(L, 1);
  struct linger now = {1, 0};
  if (s->fd < 0) return 0;
  if (lua_toboolean(L, 2)) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(s->fd);
  s->fd = -1;
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

static const luaL_Reg functions[] = {
  {"connect", l_connect}, {"poll", l_poll}, {"free_ports", l_free_ports},
  {"clock", l_clock},     {NULL, NULL},
};

void pml_open_socket(lua_State *L) {
  pml_lua_class(L, TNAME, methods, l_close);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
