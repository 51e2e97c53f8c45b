#include "bus/handshake_watch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 1000 /* between two looks */
#define CUT_MS 20    /* the same when the program ends */
#define SEEN_MAX 32  /* sockets, more than one for each broker of a cluster */
#define DEFAULT_PORT "4222"

typedef struct {
  uint64_t inode;
  uint64_t since;
} seen;

struct pml__handshake_watch {
  pthread_t thread;
  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t changed;
  int look, cut, over;
  uint32_t ended, ms;
  char **urls;
  size_t nurls;
  /* The thread's own. */
  struct addrinfo **brokers; /* of each url, NULL: not known */
  seen seen[SEEN_MAX];
  size_t nseen;
};

/* The addresses of a url; NULL: there are none. */
static struct addrinfo *resolve(const char *url) {
  char text[512];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  const char *scheme = strstr(url, "://");
  snprintf(text, sizeof text, "%s", scheme ? scheme + 3 : url);
  text[strcspn(text, "/")] = '\0';
  char *host = strrchr(text, '@');
  host = host ? host + 1 : text;
  char *end = *host == '[' ? strchr(host, ']') : NULL;
  char *colon = strrchr(end ? end : host, ':');
  const char *port = colon && colon[1] ? colon + 1 : DEFAULT_PORT;
  if (colon) *colon = '\0';
  if (end) {
    *end = '\0';
    host++;
  }
  return getaddrinfo(host, port, &hints, &list) ? NULL : list;
}

static int same(const struct sockaddr_storage *a, const struct sockaddr *b) {
  if (a->ss_family != b->sa_family) return 0;
  if (b->sa_family == AF_INET) {
    const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
    return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
  }
  const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
  return x->sin6_port == y->sin6_port &&
         memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

/* Whether fd is a socket that is connected to a broker. */
static int of_broker(const pml__handshake_watch *w, int fd) {
  struct sockaddr_storage peer;
  socklen_t n = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0) return 0;
  if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) return 0;
  for (size_t i = 0; i < w->nurls; i++)
    for (const struct addrinfo *a = w->brokers[i]; a; a = a->ai_next)
      if (same(&peer, a->ai_addr)) return 1;
  return 0;
}

/* Since when the socket of that inode has been there; *kept gets it. */
static uint64_t since(pml__handshake_watch *w, uint64_t inode, uint64_t now, seen *kept,
                      size_t *n) {
  uint64_t at = now;
  for (size_t i = 0; i < w->nseen; i++)
    if (w->seen[i].inode == inode) at = w->seen[i].since;
  if (*n < SEEN_MAX) kept[(*n)++] = (seen){inode, at};
  return at;
}

/* What identifies the socket behind an entry of /proc/self/fd; 0: it is none. By the name, and not
 * by fstat: the library may close it at the same time. */
static uint64_t socket_inode(int dir, const char *entry) {
  char text[64];
  ssize_t n = readlinkat(dir, entry, text, sizeof text - 1);
  if (n <= 0) return 0;
  text[n] = '\0';
  unsigned long long inode;
  return sscanf(text, "socket:[%llu]", &inode) == 1 ? inode : 0;
}

/* It counts before whoever waits for the connection is told. */
static void end(pml__handshake_watch *w, int fd) {
  pthread_mutex_lock(&w->lock);
  w->ended++;
  pthread_mutex_unlock(&w->lock);
  shutdown(fd, SHUT_RDWR);
}

/* One look at the sockets of the process. */
static void look(pml__handshake_watch *w, uint32_t ms) {
  DIR *dir = opendir("/proc/self/fd");
  seen kept[SEEN_MAX];
  size_t n = 0;
  uint64_t now = pml_clock_ms();
  for (size_t i = 0; i < w->nurls; i++)
    if (!w->brokers[i]) w->brokers[i] = resolve(w->urls[i]);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    int fd = atoi(e->d_name);
    uint64_t inode = socket_inode(dirfd(dir), e->d_name);
    if (!inode || !of_broker(w, fd)) continue;
    if (now - since(w, inode, now, kept, &n) >= ms) end(w, fd);
  }
  if (dir) closedir(dir);
  memcpy(w->seen, kept, n * sizeof *kept);
  w->nseen = n;
}

/* A name may mean another address when the next link is lost. */
static void forget(pml__handshake_watch *w) {
  for (size_t i = 0; i < w->nurls; i++) {
    if (w->brokers[i]) freeaddrinfo(w->brokers[i]);
    w->brokers[i] = NULL;
  }
  w->nseen = 0;
}

static void wait_ms(pml__handshake_watch *w, uint32_t ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += ms / 1000;
  until.tv_nsec += (long)(ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

static void *run(void *arg) {
  pml__handshake_watch *w = arg;
  pthread_mutex_lock(&w->lock);
  while (!w->over) {
    if (!w->look) {
      forget(w);
      pthread_cond_wait(&w->changed, &w->lock);
      continue;
    }
    uint32_t ms = w->cut ? 0 : w->ms;
    pthread_mutex_unlock(&w->lock);
    look(w, ms);
    pthread_mutex_lock(&w->lock);
    if (w->look && !w->over) wait_ms(w, w->cut ? CUT_MS : w->ms < LOOK_MS ? w->ms : LOOK_MS);
  }
  forget(w);
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

static void parts_free(pml__handshake_watch *w) {
  for (size_t i = 0; i < w->nurls; i++) pml_free(w->urls[i]);
  pml_free(w->urls);
  pml_free(w->brokers);
  pthread_cond_destroy(&w->changed);
  pthread_mutex_destroy(&w->lock);
  pml_free(w);
}

pml__handshake_watch *pml__handshake_watch_new(const char *const *urls, size_t n, uint32_t ms) {
  pml__handshake_watch *w = pml_alloc0(sizeof *w);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  if (pthread_mutex_init(&w->lock, NULL) || pthread_cond_init(&w->changed, &monotonic)) abort();
  pthread_condattr_destroy(&monotonic);
  w->ms = ms;
  w->nurls = n;
  w->urls = pml_alloc0(n * sizeof *w->urls);
  w->brokers = pml_alloc0(n * sizeof *w->brokers);
  for (size_t i = 0; i < n; i++) w->urls[i] = pml_strdup(urls[i]);
  if (pthread_create(&w->thread, NULL, run, w) == 0) return w;
  parts_free(w);
  return NULL;
}

static void set(pml__handshake_watch *w, int *flag, int value) {
  pthread_mutex_lock(&w->lock);
  *flag = value;
  pthread_cond_signal(&w->changed);
  pthread_mutex_unlock(&w->lock);
}

void pml__handshake_watch_look(pml__handshake_watch *w, int look) { set(w, &w->look, look); }
void pml__handshake_watch_cut(pml__handshake_watch *w) { set(w, &w->cut, 1); }

uint32_t pml__handshake_watch_ended(pml__handshake_watch *w) {
  pthread_mutex_lock(&w->lock);
  uint32_t n = w->ended;
  pthread_mutex_unlock(&w->lock);
  return n;
}

void pml__handshake_watch_free(pml__handshake_watch *w) {
  if (!w) return;
  set(w, &w->over, 1);
  pthread_join(w->thread, NULL);
  parts_free(w);
}
