#include "script/crash.h"

#include "base/limits.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK (64u << 10)
#define MAGIC 0x706d6c637261736bu

/* Lies at the low end of the thread's signal stack, where the handler finds it: there is no
 * other way from a signal to a thread without a variable for all. */
struct pml_crash_place {
  uint64_t magic;
  const pml_budget_slot *slot;
  char server[PML_SERVER_ID_MAX + 1];
  int json;
};

static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
#define SIGNALS (sizeof signals / sizeof *signals)

static const char *name_of(int signum) {
  switch (signum) {
  case SIGSEGV: return "SIGSEGV";
  case SIGBUS: return "SIGBUS";
  case SIGABRT: return "SIGABRT";
  case SIGILL: return "SIGILL";
  default: return "SIGFPE";
  }
}

typedef struct {
  char text[768];
  size_t n;
} line;

static void add(line *l, const char *text) {
  while (*text && l->n < sizeof l->text - 4) l->text[l->n++] = *text++;
}

static void digits(line *l, unsigned value, int width) {
  char out[12];
  out[width] = '\0';
  for (int i = width; i--; value /= 10) out[i] = (char)('0' + value % 10);
  add(l, out);
}

/* gmtime_r takes a lock. */
static void now(line *l) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  unsigned seconds = (unsigned)(t.tv_sec % 86400), days = (unsigned)(t.tv_sec / 86400);
  unsigned z = days + 719468, era = z / 146097, doe = z % 146097;
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  unsigned month = mp < 10 ? mp + 3 : mp - 9;
  digits(l, yoe + era * 400 + (month <= 2), 4);
  add(l, "-");
  digits(l, month, 2);
  add(l, "-");
  digits(l, doy - (153 * mp + 2) / 5 + 1, 2);
  add(l, "T");
  digits(l, seconds / 3600, 2);
  add(l, ":");
  digits(l, seconds / 60 % 60, 2);
  add(l, ":");
  digits(l, seconds % 60, 2);
  add(l, ".");
  digits(l, (unsigned)(t.tv_nsec / 1000000), 3);
  add(l, "Z");
}

static void write_line(const pml_crash_place *p, int signum) {
  char what[224] = "outside of its servers";
  const char *server = p ? p->server : "pomelua";
  line l = {.n = 0};
  if (p) pml_budget_describe(p->slot, what);
  add(&l, p && p->json ? "{\"time\":\"" : "");
  now(&l);
  add(&l, p && p->json ? "\",\"level\":\"error\",\"server\":\"" : " error ");
  add(&l, server);
  add(&l, p && p->json ? "\",\"msg\":\"" : " ");
  add(&l, name_of(signum));
  add(&l, p ? " in " : " ");
  add(&l, what);
  add(&l, ": the process ends");
  add(&l, p && p->json ? "\"}" : "");
  l.text[l.n++] = '\n';
  ssize_t written = write(STDERR_FILENO, l.text, l.n);
  (void)written;
}

static void on_fault(int signum, siginfo_t *info, void *context) {
  stack_t own;
  const pml_crash_place *p = NULL;
  (void)context;
  if (sigaltstack(NULL, &own) == 0 && !(own.ss_flags & SS_DISABLE) && own.ss_size == STACK)
    p = own.ss_sp;
  write_line(p && p->magic == MAGIC ? p : NULL, signum);
  /* The action is the default again. A fault comes again by itself, where it happened. */
  if (info->si_code <= 0) raise(signum);
}

void pml_crash_catch(void) {
  struct sigaction on = {.sa_sigaction = on_fault};
  on.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER);
  for (size_t i = 0; i < SIGNALS; i++) sigaction(signals[i], &on, NULL);
}

pml_crash_place *pml_crash_enter(const pml_log *log, const pml_budget_slot *s) {
  sigset_t set;
  pml_crash_place *p = pml_alloc0(STACK);
  stack_t own = {.ss_sp = p, .ss_size = STACK};
  p->magic = MAGIC;
  p->slot = s;
  p->json = log->json;
  memcpy(p->server, log->server, sizeof p->server);
  if (sigaltstack(&own, NULL) != 0) {
    pml_free(p);
    return NULL;
  }
  /* A fault whose signal is blocked ends the process without a word. */
  sigemptyset(&set);
  for (size_t i = 0; i < SIGNALS; i++) sigaddset(&set, signals[i]);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return p;
}

void pml_crash_leave(pml_crash_place *p) {
  const stack_t none = {.ss_flags = SS_DISABLE};
  if (!p) return;
  sigaltstack(&none, NULL);
  pml_free(p);
}
