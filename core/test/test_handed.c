#include "host/handed.h"

#include "base/err.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket as descriptor number `fd`, which is its parent's to close. Returns its port. */
static int put(int fd, const char *host, int listens) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t n = sizeof a;
  int s = socket(AF_INET, SOCK_STREAM, 0);
  inet_pton(AF_INET, host, &a.sin_addr);
  CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof a), 0);
  if (listens) CHECK_EQ(listen(s, 8), 0);
  CHECK_EQ(getsockname(s, (struct sockaddr *)&a, &n), 0);
  if (s != fd) {
    dup2(s, fd);
    close(s);
  }
  return ntohs(a.sin_port);
}

static void say(int count, const char *names) {
  char text[16];
  snprintf(text, sizeof text, "%d", count);
  setenv("LISTEN_FDS", text, 1);
  snprintf(text, sizeof text, "%d", (int)getpid());
  setenv("LISTEN_PID", text, 1);
  if (names) setenv("LISTEN_FDNAMES", names, 1);
  else unsetenv("LISTEN_FDNAMES");
}

/* What has the descriptors 3 and 4 here is put back at the end. */
typedef struct {
  int three, four;
} kept;

static kept keep(void) { return (kept){fcntl(3, F_DUPFD, 10), fcntl(4, F_DUPFD, 10)}; }

static void restore_one(int fd, int old) {
  if (old >= 0) {
    dup2(old, fd);
    close(old);
  } else {
    close(fd);
  }
}

static void restore(kept k) {
  restore_one(3, k.three);
  restore_one(4, k.four);
}

static int is_for(pml__handed *h, const char *name, const char *host, int port) {
  int fd = pml__handed_take(h, name, host, port);
  if (fd < 0) return 0;
  int good = (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK);
  close(fd);
  return good;
}

TEST(handed_sockets_belong_to_their_address_or_their_name) {
  kept k = keep();
  pml__handed *h;
  char err[256], left[160];
  int one = put(3, "127.0.0.1", 1), two = put(4, "0.0.0.0", 1);
  say(2, "unknown:chat-1");
  CHECK_EQ(pml__handed_new(&h, err, sizeof err), 0);
  CHECK(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL);
  CHECK(!is_for(h, "chat-2", "127.0.0.1", one + 1));
  CHECK(!is_for(h, "chat-2", "127.0.0.2", one));
  CHECK(!is_for(h, "chat-2", NULL, one));
  CHECK(!is_for(h, "chat-2", "127.0.0.1", two));
  CHECK(!is_for(h, "unknown", NULL, 0));
  CHECK_EQ(pml__handed_left(h, left, sizeof left), 1);
  CHECK(is_for(h, "chat-2", "127.0.0.1", one));
  CHECK_EQ(pml__handed_left(h, left, sizeof left), 1);
  CHECK(strstr(left, "0.0.0.0:") != NULL && strstr(left, " (chat-1)") != NULL);
  CHECK(is_for(h, "chat-1", "127.0.0.1", 1)); /* by its name */
  CHECK(is_for(h, NULL, NULL, two) && is_for(h, NULL, "::", two));
  CHECK_EQ(pml__handed_left(h, left, sizeof left), 0);
  pml__handed_free(h);
  restore(k);
}

TEST(handed_sockets_have_to_listen) {
  kept k = keep();
  pml__handed *h;
  char err[256] = "";
  put(3, "127.0.0.1", 0);
  say(1, "game");
  CHECK_EQ(pml__handed_new(&h, err, sizeof err), PML_EINVAL);
  CHECK(h == NULL && strstr(err, "descriptor 3 (game) is no listening TCP socket") != NULL);
  CHECK(fcntl(3, F_GETFD) == 0); /* what is none of ours is neither closed nor changed */
  restore(k);
}

TEST(handed_sockets_are_none_without_the_variables_of_this_process) {
  pml__handed *h;
  char err[256] = "", text[160];
  say(1, NULL);
  setenv("LISTEN_PID", "1", 1);
  CHECK_EQ(pml__handed_new(&h, err, sizeof err), 0);
  CHECK(h == NULL && getenv("LISTEN_PID") == NULL);
  CHECK_EQ(pml__handed_take(h, "chat-1", NULL, 80), -1);
  CHECK_EQ(pml__handed_left(h, text, sizeof text), 0);
  say(4000, NULL);
  CHECK_EQ(pml__handed_new(&h, err, sizeof err), PML_EINVAL);
  CHECK(strstr(err, "at most 1024 sockets") != NULL);
}
