#include "script/ctext.h"

#include <lauxlib.h>
#include <string.h>

static const char *without_nul(lua_State *L, int idx, const char *what) {
  size_t n;
  const char *s = lua_tolstring(L, idx, &n);
  if (!s) luaL_error(L, "%s must be a string, got a %s", what, luaL_typename(L, idx));
  else if (strlen(s) != n)
    luaL_error(L, "%s holds a NUL character (behind \"%s\"), which would end the text there", what,
               s);
  return s;
}

const char *pml_lua_ctext(lua_State *L, int idx, const char *what) {
  return without_nul(L, idx, what);
}

const char *pml_lua_ctext_field(lua_State *L, int idx, const char *what) {
  if (lua_type(L, idx) != LUA_TSTRING)
    luaL_error(L, "%s must be a string, got a %s", what, luaL_typename(L, idx));
  return without_nul(L, idx, what);
}

const char *pml_lua_ctext_shown(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  if (strlen(s) == n) return s;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < n; i++) {
    if (s[i]) luaL_addchar(&b, s[i]);
    else luaL_addlstring(&b, "\\0", 2);
  }
  luaL_pushresult(&b);
  lua_replace(L, idx);
  return lua_tostring(L, idx);
}
