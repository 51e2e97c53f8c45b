#include "script/server_state.h"

#include "base/limits.h"
#include "base/mem.h"
#include "script/call.h"
#include "script/crash.h"
#include "script/handle.h"
#include "script/log_ways.h"
#include "script/script_lua.h"
#include "script/vm.h"
#include "script/waiter.h"

#include <luajit.h>
#include <string.h>

struct pml_server_state {
  lua_State *L;
  pml_budget_slot *slot;
  pml_crash_place *place; /* NULL: the program is embedded, and the signals are not ours */
  pml_lua *lua;           /* lives in L; NULL before it was made */
};

static int require(lua_State *L, const char *name, char **err) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  return pml_lua_try(L, 1, 1, err);
}

/* A compiler that gives wrong results is worse than none. */
static int probe(lua_State *L, const pml_log *log, char **err) {
  if (require(L, "pomelua.run.jit_probe", err) != 0) return -1;
  if (pml_lua_try(L, 0, 1, err) != 0) return -1;
  if (lua_isstring(L, -1)) {
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    pml_log_write(log, PML_WARN, "the compiler of this LuaJIT stays off: %s", lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return 0;
}

/* The budget stops no function of the framework half way. Its files are those below the folder of
 * pomelua/init.lua, which require finds along package.path. */
static int spare_framework(lua_State *L, pml_budget_slot *slot, char **err) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "pomelua");
  lua_getfield(L, -3, "path");
  if (pml_lua_try(L, 2, 1, err) != 0) return -1;
  const char *file = lua_tostring(L, -1), *slash = file ? strrchr(file, '/') : NULL;
  if (slash) {
    lua_pushliteral(L, "@"); /* as the name of a chunk begins */
    lua_pushlstring(L, file, (size_t)(slash + 1 - file));
    lua_concat(L, 2);
    pml_budget_spare(slot, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return 0;
}

static int boot(pml_server_state *s, const pml_server_states *all, pml_node *n, pml_member *m,
                const char *text, char **err) {
  lua_State *L = s->L;
  if (require(L, "pomelua.boot", err) != 0) return -1;
  s->lua = pml_lua_node_push(L, n, m);
  s->lua->budget = s->slot;
  s->lua->log_files = all->log_files;
  pml_script_lua_set(s->lua);
  pml_memory_begin(&s->lua->memory, L, n, s->slot);
  lua_pushstring(L, text);
  pml_budget_tell(s->slot, pml_node_blocked(n), pml_node_generation(n));
  pml_budget_least(s->slot, PML_START_BUDGET_MS);
  pml_budget_enter(s->slot, "start", pml_slice_of(NULL, 0));
  int rc = pml_lua_try(L, 2, 0, err);
  pml_budget_leave(s->slot);
  return rc;
}

int pml_server_state_load(const pml_server_states *all, pml_node *n, pml_member *m,
                          const char *text, pml_server_state **out, char **err) {
  lua_State *L = pml_vm_new(all->path, all->core);
  *out = NULL;
  if (!L) {
    *err = pml_strdup("out of memory");
    return -1;
  }
  pml_server_state *s = pml_alloc0(sizeof *s);
  *out = s;
  s->L = L;
  if (all->budget)
    s->slot = pml_budget_join(all->budget, L, pml_node_config(n)->budget_ms, pml_node_log(n));
  if (s->slot) s->place = pml_crash_enter(pml_node_log(n), s->slot);
  pml_lua_call_open(L);
  if (probe(L, pml_node_log(n), err) != 0) return -1;
  if (require(L, "pomelua.core", err) != 0) return -1; /* boot may do without; its node may not */
  lua_pop(L, 1);
  if (s->slot && spare_framework(L, s->slot, err) != 0) return -1;
  return boot(s, all, n, m, text, err);
}

void pml_server_state_free(pml_server_state *s) {
  if (!s) return;
  if (s->lua) {
    pml_waiters_end(s->lua);
    pml_memory_end(&s->lua->memory);
  }
  pml_crash_leave(s->place);
  pml_budget_quit(s->slot);
  if (s->lua) pml_log_ways_end(s->lua); /* finalizers that lua_close calls may still write */
  lua_close(s->L);
  pml_free(s);
}
