#include "script/anchor.h"

void pml_anchor_hold(lua_State *L, pml_anchor *a) {
  lua_pushlightuserdata(L, a);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  a->held = 1;
}

void pml_anchor_push(lua_State *L, const pml_anchor *a) {
  lua_pushlightuserdata(L, (void *)a);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

void pml_anchor_drop(lua_State *L, pml_anchor *a) {
  if (!a->held) return; /* a nil under a new key would need memory */
  a->held = 0;
  lua_pushlightuserdata(L, a);
  lua_pushnil(L);
  lua_rawset(L, LUA_REGISTRYINDEX);
}
