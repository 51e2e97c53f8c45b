#include "bus/handshake_watch.h"

#include "base/clock.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 5000

/* A listener that says nothing, and a connection to it. */
typedef struct {
  int listener, fd;
  char url[64];
} silent;

static silent silent_open(const char *scheme) {
  silent s = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0), ""};
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  CHECK_EQ(bind(s.listener, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(listen(s.listener, 4), 0);
  CHECK_EQ(getsockname(s.listener, (struct sockaddr *)&a, &n), 0);
  CHECK_EQ(connect(s.fd, (struct sockaddr *)&a, sizeof a), 0);
  snprintf(s.url, sizeof s.url, "%s127.0.0.1:%d", scheme, ntohs(a.sin_port));
  return s;
}

static void silent_close(silent *s) {
  close(s->fd);
  close(s->listener);
}

/* Whether the connection ends within ms. */
static int ends(const silent *s, int ms) {
  struct pollfd p = {.fd = s->fd, .events = POLLIN};
  char byte;
  return poll(&p, 1, ms) == 1 && recv(s->fd, &byte, 1, 0) == 0;
}

TEST(handshake_watch_ends_a_connection_that_stands_for_too_long) {
  test_has_bounds_of_time();
  silent s = silent_open("tls://me:secret@"), other = silent_open("tls://");
  const char *const urls[] = {"tls://127.0.0.1:1", s.url};
  pml__handshake_watch *w = pml__handshake_watch_new(urls, 2, 50);
  uint64_t from = pml_clock_ms();
  pml__handshake_watch_look(w, 1);
  CHECK(ends(&s, PATIENCE_MS));
  CHECK(pml_clock_ms() - from >= 50);
  CHECK(!ends(&other, 0));
  /* It is counted behind its end, by another thread. */
  while (pml__handshake_watch_ended(w) == 0 && pml_clock_ms() - from < PATIENCE_MS)
    poll(NULL, 0, 1);
  pml__handshake_watch_look(w, 0);
  CHECK(pml__handshake_watch_ended(w) >= 1);
  pml__handshake_watch_free(w);
  silent_close(&s);
  silent_close(&other);
}

TEST(handshake_watch_leaves_connections_alone_while_there_is_a_link) {
  test_has_bounds_of_time();
  silent s = silent_open("nats://");
  const char *const url = s.url;
  pml__handshake_watch *w = pml__handshake_watch_new(&url, 1, 1);
  pml__handshake_watch_cut(w);
  CHECK(!ends(&s, 100));
  CHECK_EQ(pml__handshake_watch_ended(w), 0);
  pml__handshake_watch_free(w);
  silent_close(&s);
}

TEST(handshake_watch_waits_for_nothing_when_the_program_ends) {
  test_has_bounds_of_time();
  silent s = silent_open("tls://");
  const char *const url = s.url;
  pml__handshake_watch *w = pml__handshake_watch_new(&url, 1, 600000);
  pml__handshake_watch_look(w, 1);
  CHECK(!ends(&s, 50));
  pml__handshake_watch_cut(w);
  CHECK(ends(&s, PATIENCE_MS));
  pml__handshake_watch_free(w);
  silent_close(&s);
}

TEST(handshake_watch_ends_with_names_that_mean_nothing) {
  test_has_bounds_of_time();
  const char *const urls[] = {"tls://", "tls://[::1", "tls://no.such.name.invalid:x"};
  pml__handshake_watch *w = pml__handshake_watch_new(urls, 3, 1);
  pml__handshake_watch_look(w, 1);
  pml__handshake_watch_free(w);
}
