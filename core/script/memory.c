#include "script/memory.h"

#include "base/limits.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/mem.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#define EVERY 16u /* calls between two looks */
#define PAUSE_MS 1000u
#define GARBAGE_KIB 2048u /* may be there before a cycle begins: about what a core keeps near */
#define QUIET_MS 250u     /* without a call */
#define WORTH_KIB 256u    /* of growth since the last quiet moment */
#define SLICE_US 1000u
/* The first ends the cycle under way, which may have marked what has died since. */
#define CYCLES 2u

static uint32_t kib(lua_State *L) { return (uint32_t)lua_gc(L, LUA_GCCOUNT, 0); }

/* --- collecting -------------------------------------------------------------------- */

/* The heap shrinks while a cycle frees, and the pause counts from its end: the heap then holds
 * only what is alive. */
static void pace(pml_memory *m, uint32_t held) {
  uint32_t before = m->held_kib;
  m->held_kib = held;
  if (before && held >= before) return;
  if (held < m->left_kib) m->left_kib = held;
  uint32_t pause = 100 + GARBAGE_KIB * 100 / (held ? held : 1);
  lua_gc(m->L, LUA_GCSETPAUSE, (int)(pause > 150 ? pause : 150));
}

/* () -> whether a cycle has ended. Finalizers run in it. */
static int l_slice(lua_State *L) {
  uint64_t end = pml_clock_us() + SLICE_US;
  int ended = 0;
  while (!ended && pml_clock_us() < end) ended = lua_gc(L, LUA_GCSTEP, 0);
  lua_pushboolean(L, ended);
  return 1;
}

static void collect(pml_memory *m) {
  lua_State *L = m->L;
  static const char what[] = "collector";
  if (!lua_checkstack(L, 4)) return;
  pml_anchor_push(L, &m->slice);
  if (pml_budget_call(m->budget, L, what, pml_slice_of(NULL, 0), 0, 1, pml_node_log(m->node)))
    return; /* a finalizer failed, and the log says so */
  m->cycles -= lua_toboolean(L, -1);
  lua_pop(L, 1);
}

static void on_timer(pml_timer *t) {
  pml_memory *m = PML_CONTAINER(t, pml_memory, timer);
  pml_loop *l = pml_node_loop(m->node);
  if (m->calls != m->seen) {
    m->seen = m->calls;
    m->cycles = 0;
    pml_timer_start(l, t, QUIET_MS);
    return;
  }
  if (!m->cycles) {
    if (kib(m->L) < m->left_kib + WORTH_KIB) return;
    m->cycles = CYCLES;
  }
  collect(m);
  if (m->cycles) {
    pml_timer_start(l, t, 1);
    return;
  }
  m->left_kib = m->held_kib = kib(m->L);
  pml_mem_trim();
}

void pml_memory_begin(pml_memory *m, lua_State *L, pml_node *n, pml_budget_slot *budget) {
  pml_timer_init(&m->timer, on_timer);
  m->L = L;
  m->node = n;
  m->budget = budget;
  lua_pushcfunction(L, l_slice); /* made here: where it is called, nothing may need memory */
  pml_anchor_hold(L, &m->slice);
}

void pml_memory_end(pml_memory *m) {
  if (m->node) pml_timer_stop(pml_node_loop(m->node), &m->timer);
  m->node = NULL;
}

/* --- limits ------------------------------------------------------------------------ */

static void over_soft(pml_memory *m, uint32_t soft) {
  pml_node *n = m->node;
  uint64_t now = pml_loop_now(pml_node_loop(n));
  if (m->collected && now - m->collected < PAUSE_MS) return;
  uint32_t before = kib(m->L) / 1024;
  lua_gc(m->L, LUA_GCCOLLECT, 0);
  m->collected = now ? now : 1;
  uint32_t after = kib(m->L) / 1024;
  if (after < soft) {
    pml_log_some(pml_node_log(n), PML_WARN, "collections over memorySoft",
                 "scripts held %u MiB, over memorySoft of %u MiB: a full collection left %u",
                 before, soft, after);
  } else if (!pml_node_refusing(n)) {
    pml_log_some(pml_node_log(n), PML_ERROR, "requests refused over memorySoft",
                 "scripts hold %u MiB, over memorySoft of %u MiB: new requests get code 500", after,
                 soft);
  }
  pml_node_refuse(n, after >= soft);
}

void pml_memory_check(pml_memory *m) {
  pml_node *n = m->node;
  if (!n) return;
  if (!pml_timer_running(&m->timer)) pml_timer_start(pml_node_loop(n), &m->timer, QUIET_MS);
  if (++m->calls % EVERY != 0 && !pml_node_refusing(n)) return;
  const pml_config *c = pml_node_config(n);
  uint32_t held_kib = kib(m->L), held = held_kib / 1024;
  pace(m, held_kib);
  if (held >= c->memory_hard_mib) {
    pml_log_last(pml_node_log(n), PML_ERROR,
                 "scripts hold %u MiB, over memoryHard of %u MiB: the process ends", held,
                 c->memory_hard_mib);
    _exit(PML_EXIT_SCRIPT);
  }
  if (held >= c->memory_soft_mib) over_soft(m, c->memory_soft_mib);
  else if (pml_node_refusing(n)) pml_node_refuse(n, 0);
}
