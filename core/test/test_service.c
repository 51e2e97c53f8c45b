#include "host/service.h"

#include "base/mem.h"
#include "test/test.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char logged[1024];

static void on_line(pml_level level, const char *text, void *ud) {
  size_t n = strlen(logged);
  (void)ud;
  snprintf(logged + n, sizeof logged - n, "%d %s\n", (int)level, text);
}

static void no_mail(pml_mail *mail, void *ud) { pml__msg_drop(mail, ud); }

/* One server, whose thread never runs, and the manager's socket. */
typedef struct {
  pml_loop *loop, *other;
  pml_log log;
  pml__server *server;
  pml__servers all;
  pml__service service;
  int fd;
  char heard[2048];
} world;

static void begin(world *w, uint32_t stuck_s, const char *watchdog) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  char name[64];
  int n = snprintf(name, sizeof name, "@pomelua-test-service-%d", (int)getpid());
  memset(w, 0, sizeof *w);
  logged[0] = '\0';
  w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  memcpy(a.sun_path + 1, name + 1, (size_t)n - 1);
  CHECK_EQ(bind(w->fd, (struct sockaddr *)&a,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
           0);
  setenv("NOTIFY_SOCKET", watchdog ? name : "", 1);
  setenv("WATCHDOG_USEC", watchdog ? watchdog : "", 1);
  unsetenv("WATCHDOG_PID");
  w->loop = pml_loop_new_virtual();
  w->other = pml_loop_new();
  pml_log_init(&w->log, "", PML_INFO, 0);
  w->log.on_line = on_line;
  w->server = pml_alloc0(sizeof *w->server);
  w->server->member.spec.id = pml_strdup("chat-1");
  w->server->member.box =
    pml_mailbox_new(w->other, PML__MSGS_PER_TURN, PML__MSG_LIMIT, no_mail, NULL);
  w->server->running = 1;
  w->server->stuck_s = stuck_s;
  pml__server_see(w->server, PML__MSG_LISTENING);
  w->all = (pml__servers){pml_alloc(sizeof w->server), 1};
  w->all.list[0] = w->server;
  pml__service_open(&w->service, w->loop, &w->log, &w->all, 0);
}

static void finish(world *w) {
  pml__service_close(&w->service);
  pml_mailbox_close(w->server->member.box, pml__msg_drop, NULL);
  pml__servers_clear(&w->all);
  pml_loop_free(w->loop);
  pml_loop_free(w->other);
  close(w->fd);
}

/* How often a line has come since the last call of hear. */
static int times(world *w, const char *line) {
  int n = 0;
  for (const char *p = w->heard; (p = strstr(p, line)); p++) n++;
  return n;
}

static void hear(world *w) {
  char one[512];
  ssize_t n;
  size_t len = 0;
  while ((n = recv(w->fd, one, sizeof one - 1, 0)) >= 0) {
    one[n] = '\0';
    len += (size_t)snprintf(w->heard + len, sizeof w->heard - len, "%s;", one);
  }
  w->heard[len] = '\0';
}

/* The server answers each look. */
static void live(world *w, unsigned seconds, uint64_t clients) {
  for (unsigned i = 0; i < 10 * seconds; i++) {
    pml_loop_advance(w->loop, 100);
    if (w->server->pulse.asked) pml__service_pulse(&w->service, w->server, clients);
  }
}

TEST(service_feeds_the_watchdog_at_half_of_its_time_from_ready_on) {
  world w;
  begin(&w, 0, "4000000");
  live(&w, 10, 0);
  hear(&w);
  CHECK_EQ(times(&w, "WATCHDOG=1;"), 0);
  pml__service_ready(&w.service);
  live(&w, 10, 3);
  hear(&w);
  CHECK(strncmp(w.heard, "READY=1;", 8) == 0);
  CHECK_EQ(times(&w, "WATCHDOG=1;"), 5);
  CHECK_EQ(times(&w, "STATUS=1 server, 3 clients;"), 1);
  pml__service_stopping(&w.service, NULL);
  pml__service_stopping(&w.service, "once");
  live(&w, 4, 0);
  hear(&w);
  CHECK_EQ(times(&w, "STOPPING=1\nSTATUS=stopping;"), 1);
  CHECK(times(&w, "EXTEND_TIMEOUT_USEC=") >= 2);
  CHECK_EQ(times(&w, "STATUS=once"), 0);
  finish(&w);
}

TEST(service_feeds_no_watchdog_while_a_server_stands_still_for_longer_than_it_may) {
  world w;
  begin(&w, 3, "2000000");
  pml__service_ready(&w.service);
  live(&w, 5, 0);
  hear(&w);
  pml_loop_advance(w.loop, 10000); /* no answer */
  hear(&w);
  CHECK(times(&w, "WATCHDOG=1;") >= 3 && times(&w, "WATCHDOG=1;") <= 4);
  CHECK(strstr(logged, "3 server chat-1 has stood still for 3 s, over serverConfig.stuck of 3 s: "
                       "the watchdog is not fed until it goes on\n") != NULL);
  live(&w, 3, 0);
  hear(&w);
  CHECK(times(&w, "WATCHDOG=1;") >= 2);
  CHECK(strstr(logged, "2 server chat-1 goes on, after ") != NULL);
  finish(&w);
}

TEST(service_takes_standing_still_for_no_fault_without_a_limit) {
  world w;
  begin(&w, 0, "2000000");
  pml__service_ready(&w.service);
  pml_loop_advance(w.loop, 8000);
  hear(&w);
  CHECK(times(&w, "WATCHDOG=1;") >= 7);
  CHECK(logged[0] == '\0');
  finish(&w);
}

TEST(service_looks_after_a_limit_without_a_manager_and_after_nothing_without_both) {
  world w;
  uint64_t ms;
  begin(&w, 0, NULL);
  CHECK(!pml_loop_idle(w.loop, &ms)); /* no timer */
  pml__service_ready(&w.service);
  w.server->stuck_s = 2;
  pml__service_loaded(&w.service);
  pml_loop_advance(w.loop, 5000);
  CHECK(strstr(logged, "there is no watchdog") != NULL);
  hear(&w);
  CHECK(w.heard[0] == '\0');
  finish(&w);
}

TEST(service_tells_of_reloads_that_overlap_as_of_one) {
  world w;
  begin(&w, 0, "0");
  pml__service_reload(&w.service, 1); /* not yet ready */
  pml__service_ready(&w.service);
  hear(&w);
  CHECK_EQ(times(&w, "RELOADING"), 0);
  pml__service_reload(&w.service, 1);
  pml__service_reload(&w.service, 1);
  pml__service_reload(&w.service, 0);
  hear(&w);
  CHECK_EQ(times(&w, "RELOADING=1\nMONOTONIC_USEC="), 1);
  CHECK_EQ(times(&w, "READY=1"), 0);
  pml__service_reload(&w.service, 0);
  pml__service_reload(&w.service, 0);
  hear(&w);
  CHECK_EQ(times(&w, "READY=1"), 1);
  finish(&w);
}
