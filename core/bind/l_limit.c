#include "bind/l_limit.h"

#include "script/budget.h"
#include "script/ctext.h"

#include <lauxlib.h>
#include <string.h>

#define TNAME "pomelua.limit"

typedef struct {
  pml_log log;
  pml_budget *budget;
  pml_budget_slot *slot;
} limit;

/* limit:enter(): what runs until leave has one budget */
static int l_enter(lua_State *L) {
  limit *m = luaL_checkudata(L, 1, TNAME);
  pml_budget_enter(m->slot, "the app's start", pml_slice_of(NULL, 0));
  return 0;
}

/* limit:leave() */
static int l_leave(lua_State *L) {
  limit *m = luaL_checkudata(L, 1, TNAME);
  pml_budget_leave(m->slot);
  return 0;
}

/* the watchdog ends with the state */
static int l_gc(lua_State *L) {
  limit *m = luaL_checkudata(L, 1, TNAME);
  pml_budget_quit(m->slot);
  pml_budget_free(m->budget);
  m->slot = NULL;
  m->budget = NULL;
  return 0;
}

/* core.limit(ms, spared) -> limit: virtual nodes that are made from now on have a budget;
 * functions of files below the folder `spared` are not stopped half way */
static int l_limit(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  const char *spared = pml_lua_ctext(L, 2, "spared");
  limit *m = lua_newuserdata(L, sizeof *m);
  memset(m, 0, sizeof *m);
  pml_log_init(&m->log, "test", PML_INFO, 0);
  luaL_getmetatable(L, TNAME);
  lua_setmetatable(L, -2);
  m->budget = pml_budget_new(PML_BUDGET_GRACE_MS);
  if (!m->budget) return luaL_error(L, "limit: no thread for the scripts' budget");
  m->slot = pml_budget_join(m->budget, L, (uint32_t)ms, &m->log);
  pml_budget_spare(m->slot, spared);
  return 1;
}

pml_budget *pml_lua_limit_budget(lua_State *L, int index) {
  limit *m = luaL_checkudata(L, index, TNAME);
  return m->budget;
}

static const luaL_Reg methods[] = {
  {"enter", l_enter},
  {"leave", l_leave},
  {"__gc", l_gc},
  {NULL, NULL},
};

void pml_open_limit(lua_State *L) {
  if (luaL_newmetatable(L, TNAME)) {
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, l_limit);
  lua_setfield(L, -2, "limit");
}
