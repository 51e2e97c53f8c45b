#include "bind/memory.h"

#include <stdlib.h>
#include <unistd.h>

#define EVERY 16u /* calls between two looks */
#define PAUSE_MS 1000u
#define STATUS 70

static uint32_t mib(lua_State *L) { return (uint32_t)lua_gc(L, LUA_GCCOUNT, 0) / 1024u; }

static void over_soft(pml_memory *m, lua_State *L, pml_node *n, uint32_t soft) {
  uint64_t now = pml_loop_now(pml_node_loop(n));
  if (m->collected && now - m->collected < PAUSE_MS) return;
  uint32_t before = mib(L);
  lua_gc(L, LUA_GCCOLLECT, 0);
  m->collected = now ? now : 1;
  uint32_t after = mib(L);
  if (after < soft) {
    pml_log_write(pml_node_log(n), PML_WARN,
                  "scripts held %u MiB, over memorySoft of %u: a full collection left %u", before,
                  soft, after);
  } else if (!pml_node_refusing(n)) {
    pml_log_write(pml_node_log(n), PML_ERROR,
                  "scripts hold %u MiB, over memorySoft of %u: new requests get code 500", after,
                  soft);
  }
  pml_node_refuse(n, after >= soft);
}

void pml_memory_check(pml_memory *m, lua_State *L, pml_node *n) {
  const pml_config *c = pml_node_config(n);
  if (++m->calls % EVERY != 0 && !pml_node_refusing(n)) return;
  uint32_t held = mib(L);
  if (held >= c->memory_hard_mib) {
    pml_log_write(pml_node_log(n), PML_ERROR,
                  "scripts hold %u MiB, over memoryHard of %u: the process ends", held,
                  c->memory_hard_mib);
    _exit(STATUS);
  }
  if (held >= c->memory_soft_mib) over_soft(m, L, n, c->memory_soft_mib);
  else if (pml_node_refusing(n)) pml_node_refuse(n, 0);
}
