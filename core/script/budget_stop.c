#include "script/budget_private.h"

#include <errno.h>
#include <lauxlib.h>
#include <luajit.h>
#include <string.h>
#include <unistd.h>

/* A call is stopped by an error that a count hook raises, one instruction later. Compiled code does
 * not look at hooks. When its state has been told to profile by lines ("l"), it does look at every
 * loop whether the profiler asks for a sample, and then it goes back to the interpreter, which
 * looks at hooks at every instruction. So the signal handler on the server's thread sets both: the
 * hook and a sample.
 *
 * LuaJIT has one profiler in a process, and it belongs to the state that started it; a start in
 * another state only turns line mode on there. An extra state, `owner`, holds the profiler while no
 * call is being stopped, so that the servers' states have line mode only. To stop a call, the
 * watchdog takes the profiler from the owner, and the handler starts it for the thread's state;
 * when the call has ended, the thread gives it back. One call at a time is stopped: the `target`.
 * No timer of the profiler ever runs out: the handler raises SIGPROF.
 *
 * A signal may come in the middle of a change that LuaJIT makes, and its effect be lost. So it is
 * sent at every look of the watchdog until the call has ended. */

#define SIGNAL SIGURG          /* no other part uses it, and its default action is to be ignored */
#define NO_TIMER "i2000000000" /* milliseconds of processor time: weeks */

static void nothing(void *data, lua_State *L, int samples, int vmstate) {
  (void)data;
  (void)L;
  (void)samples;
  (void)vmstate;
}

/* --- the hook and the signal --- */

pml_budget_slot *pml_budget_of(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, PML__BUDGET_KEY);
  pml_budget_slot *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

int pml_budget_over(const pml_budget_slot *s) {
  return s && atomic_load_explicit(&s->taken, memory_order_relaxed);
}

static int is_spared(const pml_budget_slot *s, const lua_Debug *ar) {
  /* LuaJIT's own functions, table.remove for one, belong to their caller. */
  if (strncmp(ar->short_src, "[builtin:", 9) == 0) return 1;
  return s->nspared && strncmp(ar->source, s->spared, s->nspared) == 0;
}

static void on_count(lua_State *L, lua_Debug *ar) {
  pml_budget_slot *s = pml_budget_of(L);
  if (!s || !pml_budget_over(s) || !lua_getinfo(L, "Sl", ar) || is_spared(s, ar)) return;
  lua_pushfstring(L, "%s:%d: handler stopped: over its budget of %d ms", ar->short_src,
                  ar->currentline, (int)pml__budget_ms(s));
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
  /* Removed first: setting the same hook again would not repair a change that was lost. */
  lua_sethook(s->L, NULL, 0, 0);
  lua_sethook(s->L, on_count, LUA_MASKCOUNT, 1);
  pthread_kill(pthread_self(), SIGPROF);
  errno = keep;
}

void pml__budget_signal(pml_budget_slot *s) {
  pthread_sigqueue(s->thread, SIGNAL, (union sigval){.sival_ptr = s});
}

static void both_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGNAL);
  sigaddset(set, SIGPROF);
}

void pml__budget_signals(int in) {
  const struct timespec at_once = {0, 0};
  sigset_t set;
  both_signals(&set);
  pthread_sigmask(in ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
  if (in) return;
  while (sigtimedwait(&set, NULL, &at_once) > 0) {}
}

/* --- whose the profiler is --- */

void pml__budget_stop(pml_budget *b, pml_budget_slot *s, uint32_t turn) {
  luaJIT_profile_stop(b->owner);
  b->target = s;
  atomic_store(&s->condemned, turn);
  pml__budget_signal(s);
}

static void give_back(pml_budget *b) {
  luaJIT_profile_start(b->owner, NO_TIMER, nothing, NULL);
  b->target = NULL;
  pthread_cond_broadcast(&b->changed);
}

void pml__budget_acquit(pml_budget *b, pml_budget_slot *s) {
  if (b->target == s && !atomic_load(&s->taken)) give_back(b);
}

void pml__budget_recover(pml_budget_slot *s) {
  pml_budget *b = s->budget;
  lua_sethook(s->L, NULL, 0, 0);
  pthread_mutex_lock(&b->lock);
  luaJIT_profile_stop(s->L); /* which turns line mode off */
  give_back(b);
  if (s->lines) luaJIT_profile_start(s->L, "l", nothing, NULL);
  atomic_store(&s->taken, 0);
  pthread_mutex_unlock(&b->lock);
}

/* While a call is being stopped, the profiler may have no owner, and a start in any state would
 * make that state the owner. */
static void lines_on(pml_budget_slot *s) {
  pml_budget *b = s->budget;
  while (b->target) pthread_cond_wait(&b->changed, &b->lock);
  luaJIT_profile_start(s->L, "l", nothing, NULL);
  s->lines = 1;
}

/* Line mode is turned off only by the stop of a profiler that the same state has started. */
static void lines_off(pml_budget_slot *s) {
  pml_budget *b = s->budget;
  if (b->target) return; /* perhaps this very slot: line mode stays on, which costs a little */
  luaJIT_profile_stop(b->owner);
  luaJIT_profile_start(s->L, NO_TIMER, nothing, NULL);
  luaJIT_profile_stop(s->L);
  luaJIT_profile_start(b->owner, NO_TIMER, nothing, NULL);
  s->lines = 0;
}

void pml__budget_lines(pml_budget_slot *s, int on) {
  if (on && !s->lines) lines_on(s);
  else if (!on && s->lines) lines_off(s);
}

void pml__budget_stop_begin(pml_budget *b) {
  struct sigaction on = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGNAL, &on, &b->old_signal);
  /* For the moments in which the profiler, whose signal this is, has no owner. */
  sigaction(SIGPROF, &ignore, &b->old_prof);
  luaJIT_profile_start(b->owner, NO_TIMER, nothing, NULL);
}

void pml__budget_stop_end(pml_budget *b) {
  luaJIT_profile_stop(b->owner);
  sigaction(SIGPROF, &b->old_prof, NULL);
  sigaction(SIGNAL, &b->old_signal, NULL);
}
