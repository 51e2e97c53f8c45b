/* floor: the least that a server can do, as a yardstick: one epoll loop that speaks
 * just enough of Pomelo's protocol for the load generator. No sessions, no routes, no
 * JSON, no limits. A request whose route contains "send" is pushed to all clients of the
 * sender's room and answered; any other is answered with a fixed body.
 *
 * Use: floor PORT ROOMS [ring]. With ring, what a turn sends goes through io_uring (loop/ring),
 * which shows what that alone saves on a machine. A request whose route contains "enter" puts the
 * client into the room whose number stands behind "room" in its body, modulo ROOMS. Output of one
 * turn is written at its end, once per client. */
#include "loop/ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE 4096
#define MAX_FD (1 << 20)

typedef struct client {
  int fd, ws, open, dirty, known, room; /* known: to the ring; room: -1 for none */
  uint32_t nin, nout, cap;
  uint8_t in[IN_SIZE], *out;
  struct client *next; /* of the room */
} client;

static client *by_fd[MAX_FD], **rooms, *dirty[MAX_FD];
static int nrooms = 1, ndirty, ep;
static pml_ring *ring;

static void queue(client *c, const void *p, size_t n) {
  if (c->nout + n > c->cap) {
    c->cap = (uint32_t)(c->nout + n) * 2;
    c->out = realloc(c->out, c->cap);
    if (!c->out) abort();
  }
  memcpy(c->out + c->nout, p, n);
  c->nout += (uint32_t)n;
  if (!c->dirty) dirty[ndirty++] = c;
  c->dirty = 1;
}

/* A package, with a WebSocket header for those who need one. */
static void package(client *c, int type, const void *body, size_t n) {
  uint8_t h[8];
  size_t k = 0, whole = n + 4;
  if (c->ws) {
    h[k++] = 0x82;
    if (whole < 126) {
      h[k++] = (uint8_t)whole;
    } else {
      h[k++] = 126;
      h[k++] = (uint8_t)(whole >> 8);
      h[k++] = (uint8_t)whole;
    }
  }
  h[k++] = (uint8_t)type;
  h[k++] = (uint8_t)(n >> 16);
  h[k++] = (uint8_t)(n >> 8);
  h[k++] = (uint8_t)n;
  queue(c, h, k);
  queue(c, body, n);
}

static void drop(client *c) {
  if (c->room >= 0) {
    client **p = &rooms[c->room];
    while (*p != c) p = &(*p)->next;
    *p = c->next;
  }
  for (int i = 0; i < ndirty; i++)
    if (dirty[i] == c) dirty[i] = dirty[--ndirty];
  by_fd[c->fd] = NULL;
  if (c->known) pml_ring_forget(ring, c->fd);
  close(c->fd);
  free(c->out);
  free(c);
}

static void enter(client *c, const uint8_t *body, size_t n) {
  const uint8_t *at = memmem(body, n, "\"room", 5);
  if (!at || c->room >= 0) return;
  c->room = atoi((const char *)at + 5) % nrooms; /* ours: the generator's body ends with a brace */
  if (c->room < 0) c->room = 0;
  c->next = rooms[c->room];
  rooms[c->room] = c;
}

static void data(client *c, const uint8_t *p, size_t n) {
  static const char answer[] = "{\"code\":200}";
  uint8_t out[IN_SIZE + 64];
  if (n < 3 || p[0] != 0) return;
  size_t id = 1;
  while (id < n && p[id] & 0x80) id++;
  id++; /* behind the id */
  size_t nroute = id < n ? p[id] : 0;
  if (id + 1 + nroute > n) return;
  const uint8_t *route = p + id + 1, *body = route + nroute;
  size_t nbody = (size_t)(p + n - body);
  if (memmem(route, nroute, "enter", 5)) enter(c, body, nbody);
  if (memmem(route, nroute, "send", 4) && c->room >= 0) {
    memcpy(out, "\x06\x06onChat", 8);
    memcpy(out + 8, body, nbody);
    for (client *m = rooms[c->room]; m; m = m->next) package(m, 4, out, 8 + nbody);
  }
  out[0] = 4;
  memcpy(out + 1, p + 1, id - 1);
  memcpy(out + id, answer, sizeof answer - 1);
  package(c, 4, out, id + sizeof answer - 1);
}

static void packages(client *c, const uint8_t *p, size_t n) {
  static const char hello[] = "{\"code\":200,\"sys\":{}}";
  while (n >= 4) {
    size_t len = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n < 4 + len) return;
    if (p[0] == 1) package(c, 1, hello, sizeof hello - 1);
    else if (p[0] == 4) data(c, p + 4, len);
    p += 4 + len;
    n -= 4 + len;
  }
}

/* Whole frames at the start of what came; returns how many bytes they were. */
static size_t frames(client *c) {
  size_t at = 0;
  while (c->nin - at >= 6) {
    uint8_t *f = c->in + at;
    size_t n = f[1] & 127, k = 2;
    if (n == 126) {
      n = (size_t)f[2] << 8 | f[3];
      k = 4;
    }
    if (c->nin - at < k + 4 + n) break;
    uint8_t *mask = f + k, *p = mask + 4;
    for (size_t i = 0; i < n; i++) p[i] ^= mask[i & 3];
    packages(c, p, n);
    at += k + 4 + n;
  }
  return at;
}

static size_t input(client *c) {
  static const char up[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  if (!c->open) {
    if (c->in[0] < 'A') {
      c->open = 1;
    } else {
      uint8_t *end = memmem(c->in, c->nin, "\r\n\r\n", 4);
      if (!end) return 0;
      c->open = c->ws = 1;
      queue(c, up, sizeof up - 1);
      return (size_t)(end + 4 - c->in);
    }
  }
  if (c->ws) return frames(c);
  size_t at = 0;
  while (c->nin - at >= 4) {
    uint8_t *h = c->in + at;
    size_t len = 4 + ((size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3]);
    if (c->nin - at < len) break;
    packages(c, h, len);
    at += len;
  }
  return at;
}

static void readable(client *c) {
  ssize_t n = recv(c->fd, c->in + c->nin, IN_SIZE - c->nin, 0);
  if (n <= 0) {
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) drop(c);
    return;
  }
  c->nin += (uint32_t)n;
  for (;;) {
    size_t used = input(c);
    if (used == 0) break;
    memmove(c->in, c->in + used, c->nin - used);
    c->nin -= (uint32_t)used;
  }
}

static void sent(client *c, ssize_t n) {
  if (n > 0 && (uint32_t)n < c->nout) memmove(c->out, c->out + n, c->nout - (uint32_t)n);
  if (n > 0) c->nout -= (uint32_t)n;
  c->dirty = c->nout != 0;
}

static void ring_sent(void *c, int n) { sent(c, n); }

static void flush(void) {
  for (int i = 0; i < ndirty; i++) {
    client *c = dirty[i];
    if (!ring) {
      sent(c, send(c->fd, c->out, c->nout, MSG_NOSIGNAL));
      continue;
    }
    if (!c->known) c->known = pml_ring_remember(ring, c->fd);
    if (pml_ring_send(ring, c->fd, c->out, c->nout, MSG_DONTWAIT | MSG_NOSIGNAL, c)) continue;
    pml_ring_run(ring, ring_sent);
    pml_ring_send(ring, c->fd, c->out, c->nout, MSG_DONTWAIT | MSG_NOSIGNAL, c);
  }
  if (ring) pml_ring_run(ring, ring_sent);
  int left = 0;
  for (int i = 0; i < ndirty; i++)
    if (dirty[i]->dirty) dirty[left++] = dirty[i];
  ndirty = left;
}

static void arrive(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    client *c = fd < MAX_FD ? calloc(1, sizeof *c) : NULL;
    if (!c) abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    c->room = -1;
    by_fd[fd] = c;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  }
}

int main(int argc, char **argv) {
  struct rlimit rl = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_NOFILE, &rl);
  int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t na = sizeof a;
  a.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
  if (argc > 2) nrooms = atoi(argv[2]);
  rooms = calloc((size_t)(nrooms > 0 ? nrooms : 1), sizeof *rooms);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (nrooms < 1 || !rooms || bind(s, (void *)&a, sizeof a) < 0 || listen(s, 4096) < 0) {
    perror("floor");
    return 1;
  }
  if (argc > 3 && !(ring = pml_ring_new())) {
    fprintf(stderr, "floor: this kernel has no io_uring for it\n");
    return 1;
  }
  getsockname(s, (void *)&a, &na);
  printf("listening on 127.0.0.1:%d\n", ntohs(a.sin_port));
  fflush(stdout);
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = s}, ev[1024];
  epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
  for (;;) {
    int n = epoll_wait(ep, ev, 1024, ndirty ? 1 : -1);
    for (int i = 0; i < n; i++) {
      if (ev[i].data.fd == s) arrive(s);
      else if (by_fd[ev[i].data.fd]) readable(by_fd[ev[i].data.fd]);
    }
    flush();
  }
}
