#include "loop/child.h"

#include "base/err.h"
#include "test/test.h"

#include <signal.h>

typedef struct {
  pml_loop *l;
  int status, signal, ends;
  char said[64];
} seen;

static void on_end(int status, int sig, pml_slice said, void *ud) {
  seen *s = ud;
  s->status = status;
  s->signal = sig;
  s->ends++;
  if (said.n >= sizeof s->said) said.n = sizeof s->said - 1;
  if (said.n) memcpy(s->said, said.p, said.n);
  s->said[said.n] = '\0';
  pml_loop_stop(s->l);
}

static seen run(const char *script, pml_buf *input, uint32_t ms) {
  const char *argv[] = {"/bin/sh", "-c", script, NULL};
  seen s = {.l = pml_loop_new()};
  pml_child *c;
  signal(SIGPIPE, SIG_IGN); /* as the program does: a child may end before it has read */
  CHECK_EQ(pml_child_start(s.l, argv, input, ms, on_end, &s, &c), 0);
  pml_loop_run(s.l);
  pml_loop_free(s.l);
  CHECK_EQ(s.ends, 1);
  return s;
}

TEST(child_reads_its_input_and_is_heard) {
  pml_buf *in = pml_buf_from("hello", 5);
  seen s = run("cat >&2; exit 3", in, 4000);
  CHECK_EQ(s.status, 3);
  CHECK_EQ(s.signal, 0);
  CHECK(strcmp(s.said, "hello") == 0);
  pml_buf_unref(in);
}

TEST(child_that_does_not_read_ends_too) {
  pml_buf *in = pml_buf_new(4 << 20); /* more than a pipe holds */
  memset(in->data, 'x', in->len);
  CHECK_EQ(run("exit 0", in, 4000).status, 0);
  pml_buf_unref(in);
}

TEST(child_that_says_too_much_is_read_to_the_end) {
  pml_buf *in = pml_buf_from("", 0);
  CHECK_EQ(run("head -c 300000 /dev/zero >&2; exit 7", in, 4000).status, 7);
  pml_buf_unref(in);
}

TEST(child_is_killed_when_its_time_is_over) {
  pml_buf *in = pml_buf_from("", 0);
  CHECK_EQ(run("exec sleep 60", in, 20).signal, SIGKILL);
  CHECK_EQ(run("kill -SEGV $$", in, 4000).signal, SIGSEGV);
  pml_buf_unref(in);
}

TEST(child_that_is_cancelled_says_nothing) {
  const char *argv[] = {"/bin/sleep", "60", NULL};
  seen s = {.l = pml_loop_new()};
  pml_buf *in = pml_buf_from("x", 1);
  pml_child *c;
  signal(SIGPIPE, SIG_IGN);
  CHECK_EQ(pml_child_start(s.l, argv, in, 4000, on_end, &s, &c), 0);
  pml_child_cancel(c);
  pml_loop_free(s.l);
  CHECK_EQ(s.ends, 0);
  pml_buf_unref(in);
}

TEST(child_needs_a_program_and_a_real_loop) {
  const char *argv[] = {"/nowhere/at/all", NULL};
  pml_buf *in = pml_buf_from("x", 1);
  pml_child *c;
  pml_loop *l = pml_loop_new(), *v = pml_loop_new_virtual();
  CHECK_EQ(pml_child_start(l, argv, in, 4000, on_end, NULL, &c), PML_EIO);
  CHECK_EQ(pml_child_start(v, argv, in, 4000, on_end, NULL, &c), PML_EINVAL);
  pml_loop_free(l);
  pml_loop_free(v);
  pml_buf_unref(in);
}
