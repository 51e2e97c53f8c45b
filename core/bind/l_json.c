#include "bind/l_json.h"

#include "base/err.h"
#include "script/json.h"
#include "script/json_text.h"
#include "wire/utf8.h"

#include <lauxlib.h>

/* encode(value, [root]) -> json | nil, message, "ENCODE"
 * root is the first word of the path in the message: "msg" when left out. */
static int l_encode(lua_State *L) {
  luaL_checkany(L, 1);
  const char *root = luaL_optstring(L, 2, "msg");
  pml_writer w = {0};
  char err[512];
  if (pml_json_write(L, 1, &w, root, err, sizeof err)) {
    pml_writer_drop(&w);
    lua_pushnil(L);
    lua_pushstring(L, err);
    lua_pushliteral(L, "ENCODE");
    return 3;
  }
  lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
  pml_writer_drop(&w);
  return 1;
}

/* clean(bytes) -> text, has_null, has_empty | nil, message
 * The text as lua-cjson may get it: UTF-8, what is ill-formed replaced, every [] written
 * as [1e999]; nil when it cannot be JSON (see script/json_text.h). */
static int l_clean(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  pml_writer w = {0};
  int found = 0;
  lua_settop(L, 1);
  if (pml_cesu8_check((const uint8_t *)s, n) != 0) {
    pml_utf8_mend(&w, (const uint8_t *)s, n);
    lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
    pml_writer_drop(&w);
    s = lua_tolstring(L, -1, &n);
  }
  if (pml_json_scan(s, n, &found)) {
    lua_pushnil(L);
    lua_pushliteral(L, "not JSON: a control character, or a number that it does not know");
    return 2;
  }
  if (found & (PML_JSON_EMPTY | PML_JSON_LONE)) {
    w = (pml_writer){0};
    pml_json_rewrite(&w, s, n);
    lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
    pml_writer_drop(&w);
  }
  lua_pushboolean(L, found & PML_JSON_NULL);
  lua_pushboolean(L, found & PML_JSON_EMPTY);
  return 3;
}

/* to_json_caller(fn): fn(toJSON, table, key) calls a script's toJSON and returns what it gives */
static int l_to_json_caller(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, PML_JSON_CALLER);
  return 0;
}

void pml_open_json(lua_State *L) {
  lua_pushcfunction(L, l_encode);
  lua_setfield(L, -2, "encode");
  lua_pushcfunction(L, l_clean);
  lua_setfield(L, -2, "clean");
  lua_pushcfunction(L, l_to_json_caller);
  lua_setfield(L, -2, "to_json_caller");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  luaL_newmetatable(L, PML_JSON_ARRAY); /* the one that is there, on a second call */
  lua_setfield(L, -2, "array_mt");
  luaL_newmetatable(L, PML_JSON_EMPTY_ARRAY);
  lua_setfield(L, -2, "empty_array_mt");
}
