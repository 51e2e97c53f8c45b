#include "script/budget_private.h"

#include "base/limits.h"
#include "base/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The watchdog looks at every slot, ten times in a budget, at most ten times a second. It finds out
 * how long the thread has run in the call, begins to stop calls that are over their budget, reports
 * calls that wait in C, and ends the process when a call cannot be stopped or fills the memory. */

#define TICK_MAX_US 100000
#define BLOCKED_US 1000000

/* --- the end of the process --- */

/* Says why and ends the process, unless the call ends while we look at what it is. */
static void end_process(const pml_budget_slot *s, const char *why) {
  char text[192];
  pml__budget_describe(s, text);
  if (atomic_load(&s->turn) != s->seen) return;
  pml_log log = *s->log;
  log.level = PML_ERROR; /* also when the log is set to silent */
  log.on_line = NULL;    /* who collects lines would end with them */
  pml_log_last(&log, PML_ERROR, "%s %s: the process ends", text, why);
  _exit(PML_EXIT_SCRIPT);
}

static void end_for_time(const pml_budget_slot *s) {
  char why[96];
  snprintf(why, sizeof why, "has run for %llu ms and cannot be stopped (budget %u ms)",
           (unsigned long long)(s->ran_us / 1000), pml__budget_ms(s));
  end_process(s, why);
}

static void end_for_memory(const pml_budget_slot *s) {
  char why[64];
  snprintf(why, sizeof why, "holds over memoryHard of %u MiB", s->mib);
  end_process(s, why);
}

/* --- where the time of a call goes --- */

/* A file of the kernel's about the thread, as a text of one line. */
static int about(const pml_budget_slot *s, const char *name, char *out, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)s->tid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
  if (fd >= 0) close(fd);
  out[n > 0 ? n : 0] = '\0';
  return n > 0 ? 0 : -1;
}

/* How long the thread has stood ready without a processor. Where the kernel does not count
 * that, a thread that could run now counts as one that did since the last look. */
static uint64_t queued_us(const pml_budget_slot *s, uint64_t us) {
  char text[512], *end;
  if (about(s, "schedstat", text, sizeof text) == 0) {
    strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) / 1000;
  }
  if (about(s, "stat", text, sizeof text) != 0) return s->queue0_us + s->queued_us;
  const char *state = strrchr(text, ')');
  return s->queue0_us + s->queued_us + (state && state[1] && state[2] == 'R' ? us : 0);
}

static void tell_blocked(pml_budget_slot *s) {
  char text[192], where[64];
  pml__budget_describe(s, text);
  if (about(s, "wchan", where, sizeof where) != 0 || strcmp(where, "0") == 0) where[0] = '\0';
  if (atomic_load(&s->turn) != s->seen) return;
  atomic_store(&s->blocked, s->seen);
  pml_log_write(s->log, PML_WARN,
                "%s is blocked in C%s%s (generation %u): this server does nothing else", text,
                where[0] ? " in " : "", where, s->generation ? *s->generation : 1);
}

/* The call has been seen before: where has its time gone? */
static void account(pml_budget_slot *s, uint64_t us) {
  int first = !s->us;
  s->us += us;
  s->ran_us = pml__budget_clock_us(s->clock) - s->cpu_us;
  if (s->us < BLOCKED_US / 4 || atomic_load(&s->blocked) == s->seen) return;
  if (first || !s->queue0_us) s->queue0_us = queued_us(s, 0) + 1;
  s->queued_us = queued_us(s, us) - s->queue0_us + 1;
  if (s->us >= BLOCKED_US + s->ran_us + s->queued_us) tell_blocked(s);
}

/* --- looking --- */

static void begin(pml_budget *b, pml_budget_slot *s, uint32_t turn) {
  pml__budget_acquit(b, s);
  s->seen = turn;
  s->us = s->ran_us = s->queued_us = s->queue0_us = 0;
  s->state = turn & 1 ? PML__BUDGET_RUNNING : PML__BUDGET_IDLE;
  if (s->state == PML__BUDGET_RUNNING) s->cpu_us = pml__budget_clock_us(s->clock);
}

static void condemn(pml_budget *b, pml_budget_slot *s) {
  s->state = PML__BUDGET_CONDEMNED;
  s->condemned_us = pml__budget_clock_us(s->clock);
  pml__budget_stop(b, s, s->seen);
}

/* us: since the last look. Returns in how many microseconds to look again. */
static uint64_t look(pml_budget *b, pml_budget_slot *s, uint64_t us) {
  uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
  uint64_t budget_us = (uint64_t)pml__budget_ms(s) * 1000, grace_us = (uint64_t)b->grace_ms * 1000;
  uint64_t tick = budget_us && budget_us < 10 * TICK_MAX_US ? budget_us / 10 : TICK_MAX_US;
  if (tick < 1000) tick = 1000;
  if (turn != s->seen) {
    begin(b, s, turn);
    return tick;
  }
  if (s->state == PML__BUDGET_IDLE) return tick;
  if (s->mib && (uint32_t)lua_gc(s->L, LUA_GCCOUNT, 0) / 1024u >= s->mib) end_for_memory(s);
  account(s, us);
  if (s->state == PML__BUDGET_CONDEMNED) {
    if (s->cpu_us + s->ran_us - s->condemned_us >= grace_us) end_for_time(s);
    if (b->target == s) pml__budget_signal(s);
    return tick;
  }
  if (!budget_us) return tick;
  if (s->ran_us < budget_us) return budget_us - s->ran_us < tick ? budget_us - s->ran_us : tick;
  if (!b->target) condemn(b, s);
  else if (s->ran_us >= budget_us + grace_us) end_for_time(s); /* others were being stopped */
  return tick;
}

static void nap(pml_budget *b, uint64_t us) {
  struct timespec t;
  if (!us) {
    pthread_cond_wait(&b->changed, &b->lock);
    return;
  }
  clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t ns = (uint64_t)t.tv_nsec + us * 1000;
  t.tv_sec += (time_t)(ns / 1000000000);
  t.tv_nsec = (long)(ns % 1000000000);
  pthread_cond_timedwait(&b->changed, &b->lock, &t);
}

/* Returns in how many microseconds to look again, 0: when something changes. */
static uint64_t look_at_all(pml_budget *b, uint64_t us) {
  uint64_t wait = 0;
  for (pml_list *l = b->slots.next; l != &b->slots; l = l->next) {
    pml_budget_slot *s = PML_CONTAINER(l, pml_budget_slot, link);
    if (!s->ms && !s->mib && b->target != s) continue;
    uint64_t in = look(b, s, us);
    if (!wait || in < wait) wait = in ? in : 1;
  }
  return wait;
}

static void *watch(void *ud) {
  pml_budget *b = ud;
  uint64_t last = pml__budget_clock_us(CLOCK_MONOTONIC);
  pthread_mutex_lock(&b->lock);
  while (!b->ending) {
    uint64_t now = pml__budget_clock_us(CLOCK_MONOTONIC), us = now - last;
    last = now;
    /* A process that was stopped itself for a while has not run for that long. */
    nap(b, look_at_all(b, us < 4 * TICK_MAX_US ? us : 4 * TICK_MAX_US));
  }
  pthread_mutex_unlock(&b->lock);
  return NULL;
}

int pml__budget_watch(pml_budget *b) {
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &before);
  int rc = pthread_create(&b->watchdog, NULL, watch, b);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}
