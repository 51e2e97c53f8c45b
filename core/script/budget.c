#include "script/budget.h"

#include "base/container.h"
#include "base/list.h"
#include "base/mem.h"
#include "script/call.h"

#include <errno.h>
#include <lauxlib.h>
#include <luajit.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

/* Compiled code looks at no hook. What it does look at, when its state was told to
 * profile by lines ("l"), is whether a sample was asked for: then it goes back to the
 * interpreter, which looks at hooks at every instruction. So a call is stopped by a
 * count hook and a sample, both set by a signal handler on the server's thread.
 *
 * LuaJIT's profiler, which is where samples come from, is one for the process and
 * belongs to the state that started it; starting it in another state only turns line
 * mode on there. An extra state, `owner`, holds it while nobody is being stopped, so
 * that line mode is all that the servers' states get. To stop a call the watchdog
 * takes it from the owner, and the thread's signal handler starts it for its state;
 * when the call has ended the thread gives it back. One call at a time is `target`.
 * No timer of the profiler ever runs out: SIGPROF is raised by the handler.
 *
 * A signal may come at a bad moment and its effect be lost: it is sent at every tick
 * until the call has ended. */

#define KEY "pomelua.budget"
#define SIGNAL SIGURG          /* nobody else's, and harmless where it comes by mistake */
#define NO_TIMER "i2000000000" /* milliseconds of processor time: weeks */
#define TICK_MAX_US 100000
#define BLOCKED_US 1000000

struct pml_budget {
  pthread_t watchdog;
  lua_State *owner;
  uint32_t grace_ms;
  struct sigaction old_signal, old_prof;
  pthread_mutex_t lock; /* the rest, the profiler, and the slots' second half */
  pthread_cond_t changed;
  pml_list slots;
  pml_budget_slot *target; /* being stopped, and the profiler is not the owner's */
  int ending;
};

struct pml_budget_slot {
  /* the thread's, read by the watchdog */
  _Atomic(uint32_t) turn;     /* odd inside of a call; every call and renewal has its own */
  _Atomic(int) taken;         /* by the handler: the hook is set, the profiler this state's */
  _Atomic(const char *) what; /* the call, for the last line */
  _Atomic(const uint8_t *) detail;
  _Atomic(size_t) ndetail;
  /* the watchdog's, read by the handler */
  _Atomic(uint32_t) condemned; /* the turn that is to be stopped */
  _Atomic(uint32_t) blocked;   /* the turn of which the log says that it waits in C */
  /* the thread's */
  pml_budget *budget;
  lua_State *L;
  int depth;
  char *spared;
  size_t nspared;
  uint64_t *blocks; /* counts calls that were blocked; NULL: nobody counts */
  const uint32_t *generation;
  /* under the lock */
  pml_list link;
  const pml_log *log;
  pthread_t thread;
  pid_t tid;
  clockid_t clock;
  uint32_t ms;     /* written by the thread */
  uint32_t least;  /* written by the thread: a budget that is not 0 is at least this */
  uint32_t mib;    /* of heap that end the process; 0: none do */
  int lines;       /* line mode is on */
  uint32_t seen;   /* the turn that the watchdog has seen running since … */
  uint64_t cpu_us; /* … this time of the thread's clock, */
  uint64_t us;     /* for so long, of which … */
  uint64_t ran_us; /* … the thread ran for so long, */
  uint64_t queued_us, queue0_us; /* and stood ready to; the kernel's count at the second look */
  int told;                      /* and tried to stop, since … */
  uint64_t told_us;              /* … this time of the thread's clock */
};

static void nothing(void *data, lua_State *L, int samples, int vmstate) {
  (void)data;
  (void)L;
  (void)samples;
  (void)vmstate;
}

static uint64_t time_us(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t budget_of(const pml_budget_slot *s) {
  return s->ms && s->ms < s->least ? s->least : s->ms;
}

/* What the call that runs is called for: "message chat.chatHandler.send", made safe to print.
 * Any thread may ask, and so may a signal handler. */
static void describe(const pml_budget_slot *s, char out[192]) {
  const char *what = atomic_load(&s->what);
  const uint8_t *p = atomic_load(&s->detail);
  size_t n = atomic_load(&s->ndetail), k = 0;
  for (; what && *what && k < 48; what++) out[k++] = *what;
  if (n) out[k++] = ' ';
  for (size_t i = 0; i < n && k < 190; i++)
    out[k++] = p[i] > 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\' ? (char)p[i] : '?';
  out[k] = '\0';
}

/* --- on the server's thread ---------------------------------------------------- */

static int is_spared(const pml_budget_slot *s, const lua_Debug *ar) {
  /* LuaJIT's own functions, table.remove for one, belong to who calls them. */
  if (strncmp(ar->short_src, "[builtin:", 9) == 0) return 1;
  return s->nspared && strncmp(ar->source, s->spared, s->nspared) == 0;
}

static void stop(lua_State *L, lua_Debug *ar) {
  pml_budget_slot *s = pml_budget_of(L);
  if (!s || !pml_budget_over(s) || !lua_getinfo(L, "Sl", ar) || is_spared(s, ar)) return;
  lua_pushfstring(L, "%s:%d: handler stopped: over its budget of %d ms", ar->short_src,
                  ar->currentline, (int)budget_of(s));
  lua_error(L);
}

/* Runs between two instructions of the thread, which may be those of LuaJIT. */
static void on_signal(int signum, siginfo_t *info, void *context) {
  (void)signum;
  (void)context;
  int keep = errno;
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return; /* not the watchdog's */
  pml_budget_slot *s = info->si_value.sival_ptr;
  if (atomic_load(&s->turn) != atomic_load(&s->condemned)) return; /* the call has ended */
  if (!atomic_load(&s->taken)) {
    luaJIT_profile_start(s->L, NO_TIMER, nothing, NULL);
    atomic_store(&s->taken, 1);
  }
  /* Taken away first, or a lost change of LuaJIT's mode would not be made good. */
  lua_sethook(s->L, NULL, 0, 0);
  lua_sethook(s->L, stop, LUA_MASKCOUNT, 1);
  pthread_kill(pthread_self(), SIGPROF);
  errno = keep;
}

static void give_back(pml_budget *b) {
  luaJIT_profile_start(b->owner, NO_TIMER, nothing, NULL);
  b->target = NULL;
  pthread_cond_broadcast(&b->changed);
}

/* The turn that was stopped is over. */
static void recover(pml_budget_slot *s) {
  pml_budget *b = s->budget;
  lua_sethook(s->L, NULL, 0, 0);
  pthread_mutex_lock(&b->lock);
  luaJIT_profile_stop(s->L); /* which turns line mode off */
  give_back(b);
  if (s->lines) luaJIT_profile_start(s->L, "l", nothing, NULL);
  atomic_store(&s->taken, 0);
  pthread_mutex_unlock(&b->lock);
}

static void next_turn(pml_budget_slot *s, uint32_t by) {
  uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
  atomic_store_explicit(&s->turn, turn + by, memory_order_release);
  /* From here on the handler does nothing; it may have done something before. */
  atomic_signal_fence(memory_order_seq_cst);
  if (pml_budget_over(s)) recover(s);
}

void pml_budget_enter(pml_budget_slot *s, const char *what, pml_slice detail) {
  if (!s || s->depth++) return;
  atomic_store_explicit(&s->what, what, memory_order_relaxed);
  atomic_store_explicit(&s->detail, detail.p, memory_order_relaxed);
  atomic_store_explicit(&s->ndetail, detail.n, memory_order_relaxed);
  next_turn(s, 1);
}

/* The watchdog has said that the call waits in C. */
static void unblocked(pml_budget_slot *s) {
  char text[192];
  describe(s, text);
  if (s->blocks) ++*s->blocks;
  pml_log_write(s->log, PML_WARN, "%s is no longer blocked", text);
}

void pml_budget_leave(pml_budget_slot *s) {
  if (!s || --s->depth) return;
  if (atomic_load_explicit(&s->blocked, memory_order_relaxed) ==
      atomic_load_explicit(&s->turn, memory_order_relaxed))
    unblocked(s);
  next_turn(s, 1);
}

int pml_budget_call(pml_budget_slot *s, lua_State *L, const char *what, pml_slice detail, int nargs,
                    int nresults, const pml_log *log) {
  pml_budget_enter(s, what, detail);
  int rc = pml_lua_call(L, nargs, nresults, log, what);
  pml_budget_leave(s);
  return rc;
}

void pml_budget_renew(pml_budget_slot *s) {
  if (s && s->depth && pml_budget_over(s)) next_turn(s, 2);
}

pml_budget_slot *pml_budget_of(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, KEY);
  pml_budget_slot *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

void pml_budget_describe(const pml_budget_slot *s, char out[224]) {
  char digits[12];
  size_t n = 0, k;
  if (!s || !(atomic_load(&s->turn) & 1)) {
    memcpy(out, "no script", 10);
    return;
  }
  describe(s, out);
  k = strlen(out);
  memcpy(out + k, " (generation ", 13);
  k += 13;
  for (uint32_t g = s->generation ? *s->generation : 1; g || !n; g /= 10)
    digits[n++] = (char)('0' + g % 10);
  while (n) out[k++] = digits[--n];
  memcpy(out + k, ")", 2);
}

int pml_budget_over(const pml_budget_slot *s) {
  return s && atomic_load_explicit(&s->taken, memory_order_relaxed);
}

void pml_budget_spare(pml_budget_slot *s, const char *prefix) {
  if (!s) return;
  pml_free(s->spared);
  s->spared = pml_strdup(prefix);
  s->nspared = strlen(prefix);
}

/* While somebody is being stopped the profiler may be nobody's, and to start it in
 * any state would make it that state's. */
static void wait_for_owner(pml_budget *b) {
  while (b->target) pthread_cond_wait(&b->changed, &b->lock);
}

static void lines_on(pml_budget_slot *s) {
  wait_for_owner(s->budget);
  luaJIT_profile_start(s->L, "l", nothing, NULL);
  s->lines = 1;
}

/* Only to stop what one has started turns line mode off. */
static void lines_off(pml_budget_slot *s) {
  pml_budget *b = s->budget;
  if (b->target) return; /* perhaps this very slot: it stays on, which costs a little */
  luaJIT_profile_stop(b->owner);
  luaJIT_profile_start(s->L, NO_TIMER, nothing, NULL);
  luaJIT_profile_stop(s->L);
  luaJIT_profile_start(b->owner, NO_TIMER, nothing, NULL);
  s->lines = 0;
}

void pml_budget_set(pml_budget_slot *s, uint32_t ms) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  if (ms && !s->lines) lines_on(s);
  s->ms = ms;
  if (!ms && s->lines) lines_off(s);
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
}

static void both_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGNAL);
  sigaddset(set, SIGPROF);
}

pml_budget_slot *pml_budget_join(pml_budget *b, lua_State *L, uint32_t ms, const pml_log *log) {
  pml_budget_slot *s = pml_alloc0(sizeof *s);
  sigset_t set;
  s->budget = b;
  s->L = L;
  s->log = log;
  s->thread = pthread_self();
  s->tid = gettid();
  pthread_getcpuclockid(s->thread, &s->clock);
  lua_pushlightuserdata(L, s);
  lua_setfield(L, LUA_REGISTRYINDEX, KEY);
  both_signals(&set);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  pthread_mutex_lock(&b->lock);
  pml_list_append(&b->slots, &s->link);
  pthread_mutex_unlock(&b->lock);
  pml_budget_set(s, ms);
  return s;
}

void pml_budget_least(pml_budget_slot *s, uint32_t ms) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  s->least = ms;
  pthread_mutex_unlock(&b->lock);
}

void pml_budget_tell(pml_budget_slot *s, uint64_t *blocks, const uint32_t *generation) {
  if (!s) return;
  s->blocks = blocks;
  s->generation = generation;
}

void pml_budget_memory(pml_budget_slot *s, uint32_t mib) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  s->mib = mib;
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
}

void pml_budget_quit(pml_budget_slot *s) {
  if (!s) return;
  pml_budget *b = s->budget;
  const struct timespec at_once = {0, 0};
  sigset_t set;
  pml_budget_set(s, 0);
  pthread_mutex_lock(&b->lock);
  while (b->target == s) pthread_cond_wait(&b->changed, &b->lock);
  pml_list_remove(&s->link);
  pthread_mutex_unlock(&b->lock);
  both_signals(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  while (sigtimedwait(&set, NULL, &at_once) > 0) {} /* one that is on its way names s */
  lua_pushnil(s->L);
  lua_setfield(s->L, LUA_REGISTRYINDEX, KEY);
  pml_free(s->spared);
  pml_free(s);
}

/* --- on the watchdog's thread ------------------------------------------------------ */

static void signal_slot(pml_budget_slot *s) {
  pthread_sigqueue(s->thread, SIGNAL, (union sigval){.sival_ptr = s});
}

static void condemn(pml_budget *b, pml_budget_slot *s) {
  luaJIT_profile_stop(b->owner);
  b->target = s;
  atomic_store(&s->condemned, s->seen);
  s->told = 1;
  s->told_us = time_us(s->clock);
  signal_slot(s);
}

/* Says why and ends the process, unless the call ends while we look at what it is. */
static void end_process(const pml_budget_slot *s, const char *why) {
  char text[192];
  describe(s, text);
  if (atomic_load(&s->turn) != s->seen) return;
  pml_log log = *s->log;
  log.level = PML_ERROR; /* said even to who wants to hear nothing */
  pml_log_last(&log, PML_ERROR, "%s %s: the process ends", text, why);
  _exit(PML_BUDGET_EXIT);
}

static void end_for_time(const pml_budget_slot *s) {
  char why[96];
  snprintf(why, sizeof why, "has run for %llu ms and cannot be stopped (budget %u ms)",
           (unsigned long long)(s->ran_us / 1000), budget_of(s));
  end_process(s, why);
}

static void end_for_memory(const pml_budget_slot *s) {
  char why[64];
  snprintf(why, sizeof why, "holds over memoryHard of %u MiB", s->mib);
  end_process(s, why);
}

/* The call that this slot was condemned for ended by itself, before the handler came. */
static void acquit(pml_budget *b, pml_budget_slot *s) {
  if (b->target == s && !atomic_load(&s->taken)) give_back(b);
}

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
  describe(s, text);
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
  s->ran_us = time_us(s->clock) - s->cpu_us;
  if (s->us < BLOCKED_US / 4 || atomic_load(&s->blocked) == s->seen) return;
  if (first || !s->queue0_us) s->queue0_us = queued_us(s, 0) + 1;
  s->queued_us = queued_us(s, us) - s->queue0_us + 1;
  if (s->us >= BLOCKED_US + s->ran_us + s->queued_us) tell_blocked(s);
}

static void begin(pml_budget *b, pml_budget_slot *s, uint32_t turn) {
  acquit(b, s);
  s->seen = turn;
  s->us = s->ran_us = s->queued_us = s->queue0_us = 0;
  s->told = 0;
  if (turn & 1) s->cpu_us = time_us(s->clock);
}

/* us: since the last look. Returns in how many to look again. */
static uint64_t look(pml_budget *b, pml_budget_slot *s, uint64_t us) {
  uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
  uint64_t budget_us = (uint64_t)budget_of(s) * 1000, grace_us = (uint64_t)b->grace_ms * 1000;
  uint64_t tick = budget_us && budget_us < 10 * TICK_MAX_US ? budget_us / 10 : TICK_MAX_US;
  if (tick < 1000) tick = 1000;
  if (turn != s->seen) {
    begin(b, s, turn);
    return tick;
  }
  if (!(turn & 1)) return tick;
  if (s->mib && (uint32_t)lua_gc(s->L, LUA_GCCOUNT, 0) / 1024u >= s->mib) end_for_memory(s);
  account(s, us);
  if (s->told) {
    if (s->cpu_us + s->ran_us - s->told_us >= grace_us) end_for_time(s);
    if (b->target == s) signal_slot(s);
    return tick;
  }
  if (!budget_us) return tick;
  if (s->ran_us < budget_us) return budget_us - s->ran_us < tick ? budget_us - s->ran_us : tick;
  if (!b->target) condemn(b, s);
  else if (s->ran_us >= budget_us + grace_us)
    end_for_time(s); /* its turn to be stopped never came */
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

/* All of them. Returns in how many microseconds to look again, 0: when something changes. */
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
  uint64_t last = time_us(CLOCK_MONOTONIC);
  pthread_mutex_lock(&b->lock);
  while (!b->ending) {
    uint64_t now = time_us(CLOCK_MONOTONIC), us = now - last;
    last = now;
    /* A process that was stopped itself for a while has not run for that long. */
    nap(b, look_at_all(b, us < 4 * TICK_MAX_US ? us : 4 * TICK_MAX_US));
  }
  pthread_mutex_unlock(&b->lock);
  return NULL;
}

/* --- life -------------------------------------------------------------------------- */

static int start_watchdog(pml_budget *b) {
  sigset_t every, before;
  pthread_condattr_t attr;
  pthread_mutex_init(&b->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&b->changed, &attr);
  pthread_condattr_destroy(&attr);
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &before);
  int rc = pthread_create(&b->watchdog, NULL, watch, b);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static void dispose(pml_budget *b) {
  luaJIT_profile_stop(b->owner);
  lua_close(b->owner);
  sigaction(SIGPROF, &b->old_prof, NULL);
  sigaction(SIGNAL, &b->old_signal, NULL);
  pthread_cond_destroy(&b->changed);
  pthread_mutex_destroy(&b->lock);
  pml_free(b);
}

pml_budget *pml_budget_new(uint32_t grace_ms) {
  lua_State *owner = luaL_newstate();
  if (!owner) return NULL;
  pml_budget *b = pml_alloc0(sizeof *b);
  struct sigaction on = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  b->owner = owner;
  b->grace_ms = grace_ms;
  pml_list_init(&b->slots);
  sigaction(SIGNAL, &on, &b->old_signal);
  /* For the moments in which the profiler, whose signal it is, is nobody's. */
  sigaction(SIGPROF, &ignore, &b->old_prof);
  luaJIT_profile_start(owner, NO_TIMER, nothing, NULL);
  if (start_watchdog(b) != 0) {
    dispose(b);
    return NULL;
  }
  return b;
}

void pml_budget_free(pml_budget *b) {
  if (!b) return;
  pthread_mutex_lock(&b->lock);
  b->ending = 1;
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
  pthread_join(b->watchdog, NULL);
  dispose(b);
}
