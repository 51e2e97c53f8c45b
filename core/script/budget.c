#include "script/budget_private.h"

#include "base/mem.h"
#include "script/call.h"

#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

/* --- calls --- */

static void next_turn(pml_budget_slot *s, uint32_t by) {
  uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
  atomic_store_explicit(&s->turn, turn + by, memory_order_release);
  /* From here on the handler does nothing; it may have set the hook before. */
  atomic_signal_fence(memory_order_seq_cst);
  if (pml_budget_over(s)) pml__budget_recover(s);
}

void pml_budget_enter(pml_budget_slot *s, const char *what, pml_slice detail) {
  if (!s || s->depth++) return;
  atomic_store_explicit(&s->what, what, memory_order_relaxed);
  atomic_store_explicit(&s->detail, detail.p, memory_order_relaxed);
  atomic_store_explicit(&s->ndetail, detail.n, memory_order_relaxed);
  next_turn(s, 1);
}

/* The watchdog has reported the call as blocked. */
static void unblocked(pml_budget_slot *s) {
  char text[192];
  pml__budget_describe(s, text);
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

/* --- settings --- */

void pml_budget_spare(pml_budget_slot *s, const char *prefix) {
  if (!s) return;
  pml_free(s->spared);
  s->spared = pml_strdup(prefix);
  s->nspared = strlen(prefix);
}

void pml_budget_set(pml_budget_slot *s, uint32_t ms) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  if (ms) pml__budget_lines(s, 1);
  s->ms = ms;
  if (!ms) pml__budget_lines(s, 0);
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
}

void pml_budget_least(pml_budget_slot *s, uint32_t ms) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  s->least = ms;
  pthread_mutex_unlock(&b->lock);
}

void pml_budget_start(pml_budget_slot *s, uint32_t ms) {
  if (!s) return;
  pml_budget *b = s->budget;
  pthread_mutex_lock(&b->lock);
  if (s->least) s->least = ms;
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

/* --- life --- */

pml_budget_slot *pml_budget_join(pml_budget *b, lua_State *L, uint32_t ms, const pml_log *log) {
  pml_budget_slot *s = pml_alloc0(sizeof *s);
  s->budget = b;
  s->L = L;
  s->log = log;
  s->thread = pthread_self();
  s->tid = gettid();
  pthread_getcpuclockid(s->thread, &s->clock);
  lua_pushlightuserdata(L, s);
  lua_setfield(L, LUA_REGISTRYINDEX, PML__BUDGET_KEY);
  pml__budget_signals(1);
  pthread_mutex_lock(&b->lock);
  pml_list_append(&b->slots, &s->link);
  pthread_mutex_unlock(&b->lock);
  pml_budget_set(s, ms);
  return s;
}

void pml_budget_quit(pml_budget_slot *s) {
  if (!s) return;
  pml_budget *b = s->budget;
  pml_budget_set(s, 0);
  pthread_mutex_lock(&b->lock);
  while (b->target == s) pthread_cond_wait(&b->changed, &b->lock);
  pml_list_remove(&s->link);
  pthread_mutex_unlock(&b->lock);
  pml__budget_signals(0); /* a signal that is on its way names s */
  lua_pushnil(s->L);
  lua_setfield(s->L, LUA_REGISTRYINDEX, PML__BUDGET_KEY);
  pml_free(s->spared);
  pml_free(s);
}

static void dispose(pml_budget *b) {
  pml__budget_stop_end(b);
  lua_close(b->owner);
  pthread_cond_destroy(&b->changed);
  pthread_mutex_destroy(&b->lock);
  pml_free(b);
}

pml_budget *pml_budget_new(uint32_t grace_ms) {
  lua_State *owner = luaL_newstate();
  pthread_condattr_t attr;
  if (!owner) return NULL;
  pml_budget *b = pml_alloc0(sizeof *b);
  b->owner = owner;
  b->grace_ms = grace_ms;
  pml_list_init(&b->slots);
  pthread_mutex_init(&b->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&b->changed, &attr);
  pthread_condattr_destroy(&attr);
  pml__budget_stop_begin(b);
  if (pml__budget_watch(b) == 0) return b;
  dispose(b);
  return NULL;
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
