#include "script/handle.h"

#include "base/mem.h"
#include "script/call.h"

#include <string.h>

static const char node_kind;

int pml_lua_class(lua_State *L, const char *tname, const luaL_Reg *methods, lua_CFunction gc) {
  if (!luaL_newmetatable(L, tname)) return 0;
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  if (gc) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pushstring(L, tname);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  return 1;
}

void pml_lua_nearest(lua_State *L, int name, int known) {
  char *err = NULL;
  lua_getfield(L, LUA_REGISTRYINDEX, PML_LUA_NEAREST);
  if (!lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return;
  }
  lua_pushvalue(L, name);
  lua_pushvalue(L, known);
  if (pml_lua_try(L, 2, 1, &err) == 0) return;
  lua_pushstring(L, err);
  pml_free(err);
  lua_error(L);
}

/* Raises when the string at index 2 is nearly the name of a method. */
static void refuse_nearly(lua_State *L) {
  const char *object = lua_tostring(L, lua_upvalueindex(2));
  pml_lua_nearest(L, 2, lua_upvalueindex(1));
  if (lua_isstring(L, -1))
    luaL_error(L, "%s:%s: there is no such method; did you mean %s?", object, lua_tostring(L, 2),
               lua_tostring(L, -1));
}

int pml_lua_index(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (!lua_isnil(L, 3) || lua_type(L, 2) != LUA_TSTRING) return 1;
  refuse_nearly(L);
  lua_pushnil(L);
  return 1;
}

void pml_lua_index_by_name(lua_State *L, const char *object, lua_CFunction index) {
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__methods");
  if (!index) lua_createtable(L, 0, 1);
  lua_pushvalue(L, index ? -1 : -2);
  lua_pushstring(L, object);
  lua_pushcclosure(L, index ? index : pml_lua_index, 2);
  if (index) {
    lua_setfield(L, -3, "__index");
  } else {
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
  }
  lua_pop(L, 1);
}

void pml_lua_script_class(lua_State *L, const char *tname, const char *object,
                          const luaL_Reg *methods, lua_CFunction index, lua_CFunction text) {
  if (pml_lua_class(L, tname, methods, NULL)) {
    pml_lua_index_by_name(L, object, index);
    lua_pushcfunction(L, text);
    lua_setfield(L, -2, "__tostring");
  }
  lua_getfield(L, -1, "__methods");
  lua_remove(L, -2);
}

void *pml_lua_object(lua_State *L, int idx, size_t size, const void *kind, const char *tname) {
  const void **p = lua_touserdata(L, idx);
  if (!p || lua_objlen(L, idx) != size || *p != kind) luaL_typerror(L, idx, tname);
  return p;
}

pml_lua *pml_lua_check(lua_State *L) {
  pml_lua *lua = pml_lua_object(L, 1, sizeof *lua, &node_kind, PML_NODE_TNAME);
  if (!lua->node) luaL_error(L, "this node is closed");
  return lua;
}

lua_State *pml_lua_enter(pml_lua *lua, lua_State *L) {
  lua_State *before = lua->L;
  lua->L = L;
  lua->busy++;
  return before;
}

void pml_lua_leave(pml_lua *lua, lua_State *before) {
  lua->L = before;
  lua->busy--;
}

pml_lua *pml_lua_node_push(lua_State *L, pml_node *node, pml_member *member) {
  pml_lua *lua = lua_newuserdata(L, sizeof *lua);
  memset(lua, 0, sizeof *lua);
  lua->kind = &node_kind;
  lua->L = L;
  lua->node = node;
  lua->member = member;
  luaL_getmetatable(L, PML_NODE_TNAME);
  lua_setmetatable(L, -2);
  lua_newtable(L); /* id -> Channel, weak */
  lua_newtable(L);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  pml_anchor_hold(L, &lua->channels);
  lua_newtable(L);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, 1);
  pml_anchor_hold(L, &lua->env);
  return lua;
}
