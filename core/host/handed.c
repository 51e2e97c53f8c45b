#include "host/handed.h"

#include "base/err.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3, MOST = 1024 };

typedef union {
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
  struct sockaddr_storage room;
} address;

typedef struct {
  int fd, taken;
  address at;
  char *name; /* owned; "" for none */
} one;

struct pml__handed {
  pthread_mutex_t lock; /* for taken */
  size_t count;
  one list[];
};

/* --- addresses ----------------------------------------------------------------------------- */

static int port_of(const address *a) {
  return ntohs(a->any.sa_family == AF_INET6 ? a->six.sin6_port : a->four.sin_port);
}

static int is_every(const address *a) {
  return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->six.sin6_addr)
                                      : a->four.sin_addr.s_addr == htonl(INADDR_ANY);
}

static int is_same(const address *a, const struct sockaddr *b) {
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)b;
  const struct sockaddr_in *four = (const struct sockaddr_in *)b;
  if (a->any.sa_family != b->sa_family) return 0;
  if (b->sa_family == AF_INET6)
    return memcmp(&a->six.sin6_addr, &six->sin6_addr, sizeof six->sin6_addr) == 0;
  return a->four.sin_addr.s_addr == four->sin_addr.s_addr;
}

/* host: an address, or a name, whose addresses all count. */
static int fits_host(const address *a, const char *host) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int fits = 0;
  if (!host || !*host || strcmp(host, "::") == 0 || strcmp(host, "0.0.0.0") == 0)
    return is_every(a);
  if (getaddrinfo(host, NULL, &hints, &found) != 0) return 0;
  for (struct addrinfo *i = found; i && !fits; i = i->ai_next) fits = is_same(a, i->ai_addr);
  freeaddrinfo(found);
  return fits;
}

static void print(const one *o, char *text, size_t size) {
  char host[INET6_ADDRSTRLEN] = "?";
  int six = o->at.any.sa_family == AF_INET6;
  inet_ntop(o->at.any.sa_family,
            six ? (const void *)&o->at.six.sin6_addr : (const void *)&o->at.four.sin_addr, host,
            sizeof host);
  snprintf(text, size, "%s%s%s:%d%s%.64s%s", six ? "[" : "", host, six ? "]" : "", port_of(&o->at),
           o->name[0] ? " (" : "", o->name, o->name[0] ? ")" : "");
}

/* --- taking them over ------------------------------------------------------------------------ */

static int number(const char *name) {
  const char *text = getenv(name);
  char *end;
  if (!text || text[0] < '0' || text[0] > '9') return 0;
  errno = 0;
  long n = strtol(text, &end, 10);
  return errno || *end || n > 0x7fffffff ? 0 : (int)n;
}

static int option(int fd, int name) {
  int value = -1;
  socklen_t n = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

/* 0, or -1: it is no listening TCP socket. */
static int adopt(one *o, int fd) {
  socklen_t n = sizeof o->at;
  o->fd = fd;
  if (option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 1) return -1;
  if (getsockname(fd, &o->at.any, &n) != 0) return -1;
  if (o->at.any.sa_family != AF_INET && o->at.any.sa_family != AF_INET6) return -1;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return -1;
  return fcntl(fd, F_SETFL, O_NONBLOCK | fcntl(fd, F_GETFL)) == 0 ? 0 : -1;
}

/* The names stand in one text, with ":" between them. "unknown" is systemd's for none. */
static char *next_name(const char **names) {
  size_t n = strcspn(*names, ":");
  char *name = pml_strndup(*names, n);
  *names += n + ((*names)[n] == ':');
  if (strcmp(name, "unknown") == 0) name[0] = '\0';
  return name;
}

static int take_over(pml__handed *h, int count, char *err, size_t nerr) {
  const char *names = getenv("LISTEN_FDNAMES");
  if (!names) names = "";
  for (int i = 0; i < count; i++) {
    one *o = &h->list[h->count++];
    o->name = next_name(&names);
    if (adopt(o, FIRST + i) == 0) continue;
    o->fd = -1; /* a wrong number may be that of a file of this program's own */
    snprintf(err, nerr,
             "LISTEN_FDS: descriptor %d%s%.64s%s is no listening TCP socket; a frontend or a page "
             "server takes ListenStream= with a port, and Accept=no",
             FIRST + i, o->name[0] ? " (" : "", o->name, o->name[0] ? ")" : "");
    return PML_EINVAL;
  }
  return 0;
}

int pml__handed_new(pml__handed **out, char *err, size_t nerr) {
  int count = number("LISTEN_PID") == (int)getpid() ? number("LISTEN_FDS") : 0, rc = 0;
  *out = NULL;
  if (count > MOST) {
    snprintf(err, nerr, "LISTEN_FDS=%d: at most %d sockets", count, MOST);
    rc = PML_EINVAL;
  } else if (count) {
    pml__handed *h = pml_alloc0(sizeof *h + (size_t)count * sizeof *h->list);
    pthread_mutex_init(&h->lock, NULL);
    rc = take_over(h, count, err, nerr);
    if (rc == 0) *out = h;
    else pml__handed_free(h);
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return rc;
}

void pml__handed_free(pml__handed *h) {
  if (!h) return;
  for (size_t i = 0; i < h->count; i++) {
    if (h->list[i].fd >= 0) close(h->list[i].fd);
    pml_free(h->list[i].name);
  }
  pthread_mutex_destroy(&h->lock);
  pml_free(h);
}

/* --- giving them out -----------------------------------------------------------------------------
 */

static one *named(pml__handed *h, const char *name) {
  for (size_t i = 0; name && i < h->count; i++)
    if (h->list[i].name[0] && strcmp(h->list[i].name, name) == 0) return &h->list[i];
  return NULL;
}

static one *at(pml__handed *h, const char *host, int port) {
  for (size_t i = 0; i < h->count; i++)
    if (port_of(&h->list[i].at) == port && fits_host(&h->list[i].at, host)) return &h->list[i];
  return NULL;
}

int pml__handed_take(pml__handed *h, const char *name, const char *host, int port) {
  if (!h) return -1;
  one *o = named(h, name);
  if (!o) o = at(h, host, port);
  if (!o) return -1;
  int fd = fcntl(o->fd, F_DUPFD_CLOEXEC, FIRST);
  pthread_mutex_lock(&h->lock);
  o->taken = 1;
  pthread_mutex_unlock(&h->lock);
  return fd;
}

int pml__handed_left(pml__handed *h, char *text, size_t size) {
  one *left = NULL;
  if (!h) return 0;
  pthread_mutex_lock(&h->lock);
  for (size_t i = 0; i < h->count && !left; i++)
    if (!h->list[i].taken) left = &h->list[i];
  pthread_mutex_unlock(&h->lock);
  if (left) print(left, text, size);
  return left != NULL;
}
