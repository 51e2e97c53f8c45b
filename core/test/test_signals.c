#include "base/signals.h"

#include "test/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int taken;
static void take(int signum) { taken = signum; }

/* What a child that executes a program has ignored. */
static unsigned long ignored_by_a_child(void) {
  FILE *f = popen("grep SigIgn /proc/self/status", "r");
  unsigned long set = ~0ul;
  CHECK(f != NULL);
  CHECK_EQ(fscanf(f, "SigIgn: %lx", &set), 1);
  pclose(f);
  return set;
}

TEST(signals_that_are_disarmed_fail_the_call_and_spare_the_children) {
  int p[2];
  signal(SIGPIPE, SIG_IGN); /* as some parents leave it */
  CHECK(ignored_by_a_child() & (1ul << (SIGPIPE - 1)));
  pml_signal_disarm(SIGPIPE);
  CHECK(!(ignored_by_a_child() & (1ul << (SIGPIPE - 1))));
  CHECK_EQ(pipe(p), 0);
  close(p[0]);
  CHECK_EQ(write(p[1], "x", 1), -1);
  CHECK_EQ(errno, EPIPE);
  close(p[1]);
}

TEST(signals_of_a_file_that_grows_too_big_are_an_error_like_others) {
  struct rlimit small = {1, 1};
  FILE *f = tmpfile();
  CHECK(f != NULL);
  pml_signal_disarm(SIGXFSZ);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  CHECK_EQ(write(fileno(f), "12", 2), 1);
  CHECK_EQ(write(fileno(f), "3", 1), -1);
  CHECK_EQ(errno, EFBIG);
  fclose(f);
}

TEST(signals_that_somebody_handles_stay_his) {
  signal(SIGUSR2, take);
  pml_signal_disarm(SIGUSR2);
  raise(SIGUSR2);
  CHECK_EQ(taken, SIGUSR2);
}
