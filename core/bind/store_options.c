#include "bind/store_options.h"

#include "script/ctext.h"

#include <lauxlib.h>

const char *pml_lua_store_text(lua_State *L, int idx, const char *name) {
  luaL_checkstack(L, 1, name);
  lua_getfield(L, idx, name);
  return lua_isnil(L, -1) ? NULL : pml_lua_ctext_field(L, -1, name);
}

uint32_t pml_lua_store_number(lua_State *L, int idx, const char *name, uint32_t least,
                              uint32_t most, uint32_t otherwise) {
  lua_getfield(L, idx, name);
  lua_Number x = lua_isnil(L, -1) ? otherwise : lua_isnumber(L, -1) ? lua_tonumber(L, -1) : -1;
  lua_pop(L, 1);
  if (!(x >= least && x <= most))
    luaL_error(L, "%s must be a number from %f to %f", name, (lua_Number)least, (lua_Number)most);
  return (uint32_t)x;
}
