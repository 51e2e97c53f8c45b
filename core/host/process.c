#include "host/process.h"

#include "base/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define GOOD_FILES 65536
/* A server takes about 8 files: a loop, its wake-ups, a listener, a script that is read. */
#define FILES_PER_SERVER 8
#define FILES_OF_MAIN 16

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
_Static_assert(sizeof taken / sizeof *taken == PML__SIGNALS, "a handle for each signal");

static void on_signal(uv_signal_t *h, int signum) {
  pml__signals *s = h->data;
  s->on_signal(signum, s->ud);
}

void pml__signals_watch(pml__signals *s, pml_loop *l, void (*fn)(int signum, void *ud), void *ud) {
  s->on_signal = fn;
  s->ud = ud;
  pml_signal_disarm(SIGPIPE);
  pml_signal_disarm(SIGXFSZ);
  for (size_t i = 0; i < PML__SIGNALS; i++) {
    uv_signal_init(pml_loop_uv(l), &s->handles[i]);
    s->handles[i].data = s;
    uv_signal_start(&s->handles[i], on_signal, taken[i]);
  }
}

void pml__signals_end(pml__signals *s) {
  for (size_t i = 0; i < PML__SIGNALS; i++) uv_close((uv_handle_t *)&s->handles[i], NULL);
}

/* root may go beyond the hard limit. */
void pml__process_raise_files(const pml_log *log) {
  struct rlimit rl, want;
  if (getrlimit(RLIMIT_NOFILE, &rl) != 0) return;
  want = rl;
  if (want.rlim_max < GOOD_FILES) want.rlim_max = GOOD_FILES;
  want.rlim_cur = want.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &want) == 0) return;
  want.rlim_cur = want.rlim_max = rl.rlim_max;
  if (rl.rlim_cur < rl.rlim_max && setrlimit(RLIMIT_NOFILE, &want) != 0)
    want.rlim_cur = rl.rlim_cur;
  if (want.rlim_cur < GOOD_FILES)
    pml_log_write(log, PML_WARN,
                  "the open-file limit is %llu and cannot be raised: fewer clients fit (ulimit -n, "
                  "LimitNOFILE=)",
                  (unsigned long long)want.rlim_cur);
}

int pml__process_has_files(size_t servers, char *text, size_t size) {
  struct rlimit rl;
  unsigned long long need = FILES_OF_MAIN + FILES_PER_SERVER * (unsigned long long)servers;
  if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur >= need) return 1;
  snprintf(text, size,
           "the open-file limit is %llu, and %zu servers need %llu before the first client comes "
           "(ulimit -n, LimitNOFILE=)",
           (unsigned long long)rl.rlim_cur, servers, need);
  return 0;
}

void pml__process_complain(const char *server, const char *text, int json) {
  pml_log last;
  pml_log_init(&last, server, PML_ERROR, 1);
  if (json) pml_log_text(&last, PML_ERROR, text, strlen(text));
  else fprintf(stderr, "pomelua: %s%s%s\n", server, server[0] ? ": " : "", text);
}

void pml__process_quit(const pml_log *log, int status) {
  pml_log_flush(log);
  _exit(status);
}
