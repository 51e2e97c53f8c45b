#include "script/crash.h"

#include "test/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child's standard error, and how it ended. */
static int words_of(void (*fn)(int json), int json, char *text, size_t size) {
  int ends[2], status;
  size_t n = 0;
  CHECK_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(ends[1], STDERR_FILENO);
    pml_crash_catch();
    fn(json);
    _exit(0);
  }
  close(ends[1]);
  for (ssize_t k; (k = read(ends[0], text + n, size - 1 - n)) > 0;) n += (size_t)k;
  text[n] = '\0';
  close(ends[0]);
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status;
}

static void fault(int json) {
  pml_log log;
  pml_log_init(&log, "room-1", PML_SILENT, json);
  CHECK(pml_crash_enter(&log, NULL));
  raise(SIGSEGV);
}

static int deep(volatile char *before) {
  volatile char here[4096];
  here[0] = *before;
  return *before ? deep(here) + here[0] : 0;
}

static void full_stack(int json) {
  pml_log log;
  char first = 1;
  pml_log_init(&log, "room-1", PML_INFO, json);
  CHECK(pml_crash_enter(&log, NULL));
  deep(&first);
}

static void elsewhere(int json) {
  (void)json;
  abort();
}

TEST(crash_says_which_server_and_ends_as_the_signal_does) {
  char text[1024];
  int status = words_of(fault, 0, text, sizeof text);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGSEGV);
  CHECK(strstr(text, "Z error room-1 SIGSEGV in no script: the process ends\n"));
  CHECK_EQ(text[4], '-');
  CHECK_EQ(text[10], 'T');
}

TEST(crash_is_a_json_object_when_the_log_is) {
  char text[1024];
  words_of(fault, 1, text, sizeof text);
  CHECK_EQ(text[0], '{');
  CHECK(
    strstr(text, "\"server\":\"room-1\",\"msg\":\"SIGSEGV in no script: the process ends\"}\n"));
}

TEST(crash_speaks_when_the_stack_is_full) {
#ifndef __SANITIZE_ADDRESS__ /* which has frames and a handler of its own */
  char text[1024];
  int status = words_of(full_stack, 0, text, sizeof text);
  CHECK_EQ(WTERMSIG(status), SIGSEGV);
  CHECK(strstr(text, " error room-1 SIGSEGV in no script"));
#else
  (void)full_stack;
#endif
}

TEST(crash_of_another_thread_is_told_too) {
  char text[1024];
  int status = words_of(elsewhere, 0, text, sizeof text);
  CHECK_EQ(WTERMSIG(status), SIGABRT);
  CHECK(strstr(text, " error pomelua SIGABRT outside of its servers: the process ends\n"));
}

TEST(crash_leaves_the_thread_as_it_was) {
  pml_log log;
  stack_t own;
  pml_log_init(&log, "room-1", PML_INFO, 0);
  pml_crash_leave(pml_crash_enter(&log, NULL));
  pml_crash_leave(NULL);
  CHECK_EQ(sigaltstack(NULL, &own), 0);
  CHECK(own.ss_flags & SS_DISABLE);
}
