/* l_timer: methods of the node: one-shot timers. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "script/handle.h"
#include "script/values.h"

#include <math.h>

/* node:timer(ms) -> id | nil, message, "FULL" */
static int l_timer(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_Number ms = luaL_checknumber(L, 2);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 2, "milliseconds, from 0 to 4294967295");
  pml_id id = pml_node_timer(lua->node, (uint64_t)ceil(ms));
  if (!id) return pml_lua_fail(L, PML_EFULL, "too many timers");
  lua_pushnumber(L, (lua_Number)id);
  return 1;
}

/* node:cancel(id) -> boolean */
static int l_cancel(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_pushboolean(L, pml_node_timer_cancel(lua->node, pml_lua_id(L, 2)));
  return 1;
}

const luaL_Reg pml_timer_methods[] = {
  {"timer", l_timer},
  {"cancel", l_cancel},
  {NULL, NULL},
};
