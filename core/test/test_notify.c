#include "host/notify.h"

#include "test/test.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char warned[512];

static void on_line(pml_level level, const char *text, void *ud) {
  (void)level;
  (void)ud;
  snprintf(warned, sizeof warned, "%s", text);
}

static pml_log quiet_log(void) {
  pml_log log;
  pml_log_init(&log, "", PML_INFO, 0);
  log.on_line = on_line;
  warned[0] = '\0';
  return log;
}

/* The other end, at a path or, with "@", at an abstract name. */
static int manager(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  size_t n = strlen(path);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  memcpy(a.sun_path, path, n);
  if (path[0] == '@') a.sun_path[0] = '\0';
  else unlink(path);
  socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
  CHECK_EQ(bind(fd, (struct sockaddr *)&a, len), 0);
  return fd;
}

static void tells(const char *path) {
  char got[64] = "";
  pml__notify n;
  pml_log log = quiet_log();
  int fd = manager(path);
  setenv("NOTIFY_SOCKET", path, 1);
  setenv("WATCHDOG_USEC", "30000000", 1);
  unsetenv("WATCHDOG_PID");
  pml__notify_open(&n, &log);
  CHECK_EQ(n.watchdog_ms, 30000);
  CHECK(getenv("NOTIFY_SOCKET") == NULL && getenv("WATCHDOG_USEC") == NULL);
  pml__notify_send(&n, &log, 1, "READY=1\nSTATUS=up");
  CHECK_EQ(recv(fd, got, sizeof got - 1, 0), 17);
  CHECK(strcmp(got, "READY=1\nSTATUS=up") == 0);
  close(fd);
  if (path[0] == '/') unlink(path);
  pml__notify_send(&n, &log, 0, "WATCHDOG=1");
  CHECK(strncmp(warned, "the service manager (NOTIFY_SOCKET) cannot be told WATCHDOG=1: ", 61) ==
        0);
  warned[0] = '\0';
  pml__notify_send(&n, &log, 0, "WATCHDOG=1");
  CHECK(warned[0] == '\0'); /* once */
  pml__notify_close(&n);
}

TEST(notify_sends_to_a_path_and_to_an_abstract_name) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/pomelua-test-notify-%d", (int)getpid());
  tells(path);
  snprintf(path, sizeof path, "@pomelua-test-notify-%d", (int)getpid());
  tells(path);
}

static pml__notify opened(const char *address, const char *usec, const char *pid) {
  pml__notify n;
  pml_log log = quiet_log();
  setenv("NOTIFY_SOCKET", address, 1);
  setenv("WATCHDOG_USEC", usec, 1);
  setenv("WATCHDOG_PID", pid, 1);
  pml__notify_open(&n, &log);
  CHECK(getenv("WATCHDOG_PID") == NULL);
  return n;
}

TEST(notify_has_a_watchdog_when_it_is_for_this_process) {
  char pid[16];
  static const struct {
    const char *usec;
    uint64_t ms;
  } rows[] = {{"2000000", 2000}, {"1", 2}, {"0", 0}, {"", 0}, {"-5", 0}, {"12x", 0}};
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    pml__notify n = opened("@pomelua", rows[i].usec, pid);
    CHECK_EQ(n.watchdog_ms, rows[i].ms);
    pml__notify_close(&n);
  }
  pml__notify n = opened("@pomelua", "2000000", "1");
  CHECK_EQ(n.watchdog_ms, 0);
  pml__notify_close(&n);
}

TEST(notify_does_not_use_what_is_no_address) {
  char text[200];
  memset(text, 'a', sizeof text);
  text[0] = '/';
  text[sizeof text - 1] = '\0';
  const char *bad[] = {"vsock:2:9999", "@", "run/notify", text};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pml__notify n = opened(bad[i], "2000000", "");
    CHECK_EQ(n.fd, -1);
    CHECK(strstr(warned, "is no address of a local socket") != NULL);
    pml_log log = quiet_log();
    pml__notify_send(&n, &log, 1, "READY=1");
    CHECK(warned[0] == '\0');
  }
}
