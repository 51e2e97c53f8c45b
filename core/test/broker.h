/* broker: a real nats-server for a C test, on a free port of 127.0.0.1. A machine without one skips
 * the test, with a sentence. */
#ifndef PML_TEST_BROKER_H
#define PML_TEST_BROKER_H

#include "test/test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  pid_t pid;
  int port;
  FILE *said;
  char url[64];
} broker;

static inline const char *broker_path(void) {
  static const char *const paths[] = {"/usr/sbin/nats-server", "/usr/bin/nats-server",
                                      "/usr/local/bin/nats-server"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (access(paths[i], X_OK) == 0) return paths[i];
  return NULL;
}

/* Ends a test that cannot run here, as one that passed. */
static inline void broker_need(void) {
  if (broker_path()) return;
  fprintf(stderr, "# skipped: this machine has no nats-server\n");
  exit(0);
}

/* Starts it; port 0: a free one. It ends with the test. config: a file, or NULL. */
static inline void broker_start_with(broker *b, int port, const char *config) {
  int out[2];
  char text[16], line[1024];
  snprintf(text, sizeof text, "%d", port ? port : -1);
  CHECK_EQ(pipe(out), 0);
  b->pid = fork();
  CHECK(b->pid >= 0);
  if (b->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out[1], 2);
    close(out[0]);
    close(out[1]);
    execl(broker_path(), "nats-server", "-a", "127.0.0.1", "-p", text, config ? "-c" : NULL, config,
          NULL);
    _exit(127);
  }
  close(out[1]);
  b->said = fdopen(out[0], "r");
  b->port = 0;
  while (fgets(line, sizeof line, b->said)) {
    const char *at = strstr(line, "Listening for client connections on ");
    if (at) b->port = atoi(strrchr(at, ':') + 1);
    if (strstr(line, "Server is ready")) break;
  }
  CHECK(b->port > 0);
  snprintf(b->url, sizeof b->url, "nats://127.0.0.1:%d", b->port);
}

static inline void broker_start(broker *b) { broker_start_with(b, 0, NULL); }

static inline void broker_kill(broker *b) {
  if (!b->pid) return;
  kill(b->pid, SIGKILL);
  CHECK_EQ(waitpid(b->pid, NULL, 0), b->pid);
  fclose(b->said);
  b->pid = 0;
}

#endif
