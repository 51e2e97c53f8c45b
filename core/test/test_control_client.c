/* Tests of host/control_client.c, against host/control on a thread of its own. */
#include "host/control_client.h"

#include "base/err.h"
#include "host/control.h"
#include "test/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
  char path[64];
  pml_loop *l;
  pml_control *c;
  int answers; /* lines per question; then it hangs up */
} host;

static void on_line(pml_id client, pml_slice line, void *ud) {
  host *h = ud;
  for (int i = 0; i < h->answers; i++) pml_control_write(h->c, client, line);
  if (h->answers > 1) pml_loop_stop(h->l); /* hangs up: serve closes */
}

static void on_gone(pml_id client, void *ud) {
  (void)client;
  pml_loop_stop(((host *)ud)->l);
}

static void *serve(void *ud) {
  host *h = ud;
  pml_loop_run(h->l);
  pml_control_close(h->c);
  pml_loop_free(h->l);
  return NULL;
}

static void begin(host *h, pthread_t *t) {
  char err[128];
  pml_control_events ev = {on_line, on_gone, h};
  signal(SIGPIPE, SIG_IGN); /* as the program does */
  snprintf(h->path, sizeof h->path, "/tmp/pml-ask-%d", getpid());
  h->l = pml_loop_new();
  CHECK_EQ(pml_control_open(h->l, h->path, &ev, &h->c, err, sizeof err), 0);
  CHECK_EQ(pthread_create(t, NULL, serve, h), 0);
}

static int count(pml_slice line, void *ud) {
  CHECK(line.n == 5 && memcmp(line.p, "hello", 5) == 0);
  return ++*(int *)ud == 3;
}

TEST(control_client_gets_every_line_until_the_other_side_hangs_up) {
  host h = {.answers = 2};
  pthread_t t;
  int lines = 0;
  begin(&h, &t);
  CHECK_EQ(pml_control_ask(h.path, pml_slice_str("hello"), 3000, count, &lines), 0);
  CHECK_EQ(lines, 2);
  pthread_join(t, NULL);
}

TEST(control_client_ends_when_it_has_heard_enough) {
  host h = {.answers = 5};
  pthread_t t;
  int lines = 0;
  begin(&h, &t);
  CHECK_EQ(pml_control_ask(h.path, pml_slice_str("hello"), 3000, count, &lines), 0);
  CHECK_EQ(lines, 3);
  pthread_join(t, NULL);
}

TEST(control_client_waits_no_longer_than_it_was_told) {
  host h = {.answers = 0};
  pthread_t t;
  int lines = 0;
  begin(&h, &t);
  CHECK_EQ(pml_control_ask(h.path, pml_slice_str("hello"), 50, count, &lines), PML_ETIMEOUT);
  CHECK_EQ(lines, 0);
  pthread_join(t, NULL);
}

TEST(control_client_says_when_nobody_listens) {
  int lines = 0;
  CHECK_EQ(pml_control_ask("/tmp/pml-nobody", pml_slice_str("hello"), 50, count, &lines),
           PML_ENOENT);
}
