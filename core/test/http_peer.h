/* http_peer: an HTTP server for tests, on threads of its own, that answers as a test says: well,
 * badly or not at all. */
#ifndef PML_TEST_HTTP_PEER_H
#define PML_TEST_HTTP_PEER_H

#include "test/test.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct http_peer http_peer;
typedef struct {
  http_peer *peer;
  int fd;
  SSL *tls;
  char request[16384]; /* the one that is being answered, with its body */
  size_t n;
  char method[16], path[256];
  int end; /* the connection is closed after the answer */
} http_peer_conn;

struct http_peer {
  int fd, port;
  SSL_CTX *tls;
  void (*answer)(http_peer_conn *c);
  atomic_int connections, requests, now, most, closed; /* now, most: requests at the same time */
  atomic_int go;                                       /* for answers that wait for a word */
};

static inline ssize_t http_peer_read(http_peer_conn *c, void *p, size_t n) {
  return c->tls ? SSL_read(c->tls, p, (int)n) : read(c->fd, p, n);
}
/* 0: the other side is gone. */
static inline int http_peer_write(http_peer_conn *c, const char *p, size_t n) {
  while (n) {
    ssize_t k = c->tls ? SSL_write(c->tls, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
    if (k <= 0) return 0;
    p += k;
    n -= (size_t)k;
  }
  return 1;
}
static inline int http_peer_say(http_peer_conn *c, const char *text) {
  return http_peer_write(c, text, strlen(text));
}
/* A whole answer with a body. */
static inline void http_peer_ok(http_peer_conn *c, const char *headers, const char *body) {
  char text[8192];
  snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s", headers,
           strlen(body), body);
  http_peer_say(c, text);
}
/* Waits until the other side has closed. */
static inline void http_peer_until_closed(http_peer_conn *c) {
  char b[256];
  while (http_peer_read(c, b, sizeof b) > 0) {}
  c->end = 1;
}

/* Reads one request with its body. 0: there is none. */
static inline int http_peer_request(http_peer_conn *c) {
  c->n = 0;
  size_t want = 0;
  for (;;) {
    char *head;
    c->request[c->n] = 0;
    if (!want && (head = strstr(c->request, "\r\n\r\n")) != NULL) {
      char *length = strstr(c->request, "Content-Length: ");
      want = (size_t)(head + 4 - c->request) + (length ? (size_t)atoi(length + 16) : 0);
    }
    if (want && c->n >= want) break;
    ssize_t k = http_peer_read(c, c->request + c->n, sizeof c->request - 1 - c->n);
    if (k <= 0) return 0;
    c->n += (size_t)k;
  }
  return sscanf(c->request, "%15s %255s", c->method, c->path) == 2;
}

static inline void *http_peer_serve(void *ud) {
  http_peer_conn *c = ud;
  http_peer *p = c->peer;
  int up = !c->tls || SSL_accept(c->tls) == 1;
  while (up && !c->end && http_peer_request(c)) {
    int now = ++p->now;
    for (int most = p->most; now > most && !atomic_compare_exchange_weak(&p->most, &most, now);) {}
    p->requests++;
    p->answer(c);
    p->now--;
  }
  SSL_free(c->tls);
  close(c->fd);
  p->closed++;
  free(c);
  return NULL;
}

static inline void *http_peer_accept(void *ud) {
  http_peer *p = ud;
  for (;;) {
    int fd = accept(p->fd, NULL, NULL);
    if (fd < 0) return NULL;
    http_peer_conn *c = calloc(1, sizeof *c);
    pthread_t t;
    c->peer = p;
    c->fd = fd;
    p->connections++;
    if (p->tls) {
      c->tls = SSL_new(p->tls);
      SSL_set_fd(c->tls, fd);
    }
    pthread_create(&t, NULL, http_peer_serve, c);
    pthread_detach(t);
  }
}

/* Begins to listen on a free port of 127.0.0.1; cert and key: files, NULL for plain HTTP. It ends
 * with the test's process: its threads may outlive the test's function. */
static inline http_peer *http_peer_start(void (*answer)(http_peer_conn *c), const char *cert,
                                         const char *key) {
  static http_peer all[8];
  static int started;
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t n = sizeof a;
  pthread_t t;
  CHECK(started < 8);
  http_peer *p = &all[started++];
  p->answer = answer;
  if (cert) {
    p->tls = SSL_CTX_new(TLS_server_method());
    CHECK_EQ(SSL_CTX_use_certificate_file(p->tls, cert, SSL_FILETYPE_PEM), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey_file(p->tls, key, SSL_FILETYPE_PEM), 1);
  }
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  p->fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(bind(p->fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(listen(p->fd, 128), 0);
  CHECK_EQ(getsockname(p->fd, (struct sockaddr *)&a, &n), 0);
  p->port = ntohs(a.sin_port);
  pthread_create(&t, NULL, http_peer_accept, p);
  pthread_detach(t);
  return p;
}

#endif
