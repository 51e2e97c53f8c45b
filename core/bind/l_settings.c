#include "bind/l_settings.h"

#include "base/limits.h"
#include "node/config.h"

#include <lauxlib.h>

/* core.settings() -> {[name] = {least = n, most = n, default = n}}: what node:configure takes */
static int l_settings(lua_State *L) {
  lua_newtable(L);
  for (const pml_setting *s = pml_settings; s->name; s++) {
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, s->least);
    lua_setfield(L, -2, "least");
    lua_pushnumber(L, s->most);
    lua_setfield(L, -2, "most");
    lua_pushnumber(L, s->standard);
    lua_setfield(L, -2, "default");
    lua_setfield(L, -2, s->name);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"settings", l_settings}, {NULL, NULL}};

void pml_open_settings(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushinteger(L, PML_SERVER_ID_MAX);
  lua_setfield(L, -2, "serverIdMax");
}
