#include "host/process.h"

#include "test/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static void limit_files(rlim_t n) {
  struct rlimit rl;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
  rl.rlim_cur = n;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &rl), 0);
}

TEST(process_says_when_servers_need_more_files_than_it_may_open) {
  char text[200] = "";
  limit_files(64);
  CHECK_EQ(pml__process_has_files(6, text, sizeof text), 1);
  CHECK_EQ(pml__process_has_files(7, text, sizeof text), 0);
  CHECK(strstr(text, "the open-file limit is 64, and 7 servers need 72") != NULL);
}

TEST(process_raises_the_limit_of_open_files) {
  struct rlimit rl;
  pml_log log;
  pml_log_init(&log, "", PML_SILENT, 0);
  limit_files(64);
  pml__process_raise_files(&log);
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
  CHECK(rl.rlim_cur > 64);
}

typedef struct {
  pml_loop *loop;
  int got;
} heard;

static void on_signal(int signum, void *ud) {
  heard *h = ud;
  h->got = signum;
  pml_loop_stop(h->loop);
}

TEST(process_gets_signals_on_the_thread_of_its_loop) {
  heard h = {.loop = pml_loop_new()};
  pml__signals s;
  pml__signals_watch(&s, h.loop, on_signal, &h);
  kill(getpid(), SIGHUP);
  pml_loop_run(h.loop);
  CHECK_EQ(h.got, SIGHUP);
  pml__signals_end(&s);
  pml_loop_free(h.loop);
}
