#include "bind/l_json.h"

#include "base/err.h"
#include "bind/json.h"
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

/* clean(bytes) -> text, has_null | nil, message
 * The text as lua-cjson may get it: UTF-8, CESU-8 pairs turned into it; nil when
 * it is not, or cannot be JSON (see pml_json_scan). */
static int l_clean(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  int has_null = 0, pairs = pml_cesu8_check((const uint8_t *)s, n);
  if (pairs < 0) {
    lua_pushnil(L);
    lua_pushliteral(L, "not UTF-8");
    return 2;
  }
  if (pml_json_scan(s, n, &has_null)) {
    lua_pushnil(L);
    lua_pushliteral(L, "not JSON: a control character, or a number that it does not know");
    return 2;
  }
  if (pairs) {
    pml_writer w = {0};
    pml_utf8_mend(&w, (const uint8_t *)s, n);
    lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
    pml_writer_drop(&w);
  } else {
    lua_pushvalue(L, 1);
  }
  lua_pushboolean(L, has_null);
  return 2;
}

void pml_open_json(lua_State *L) {
  lua_pushcfunction(L, l_encode);
  lua_setfield(L, -2, "encode");
  lua_pushcfunction(L, l_clean);
  lua_setfield(L, -2, "clean");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  luaL_newmetatable(L, PML_JSON_ARRAY); /* the one that is there, on a second call */
  lua_setfield(L, -2, "array_mt");
}
