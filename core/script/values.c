#include "script/values.h"

#include "base/limits.h"
#include "base/err.h"
#include "base/json_number.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int pml_lua_fail_name(lua_State *L, const char *name, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, name);
  return 3;
}

int pml_lua_fail(lua_State *L, int err, const char *message) {
  return pml_lua_fail_name(L, pml_err_name(err), message);
}

pml_id pml_lua_id(lua_State *L, int idx) {
  lua_Number n = luaL_checknumber(L, idx);
  return n >= 1 && n <= PML_LUA_WHOLE && n == floor(n) ? (pml_id)n : 0;
}

int pml_lua_uid(lua_State *L, int idx, char buf[PML_NUMBER_TEXT], pml_uid *out) {
  if (lua_type(L, idx) == LUA_TNUMBER) {
    lua_Number x = lua_tonumber(L, idx);
    if (!isfinite(x)) return PML_EINVAL;
    *out = (pml_uid){buf, (uint32_t)pml_json_number(x, buf), 1};
    return 0;
  }
  if (lua_type(L, idx) != LUA_TSTRING) return PML_EINVAL;
  size_t n;
  const char *s = lua_tolstring(L, idx, &n);
  if (n > PML_UID_MAX) return PML_EINVAL;
  *out = (pml_uid){s, (uint32_t)n, 0};
  return 0;
}

void pml_lua_push_uid(lua_State *L, pml_uid uid) {
  char text[PML_NUMBER_TEXT];
  if (!uid.s) {
    lua_pushnil(L);
  } else if (uid.is_number && uid.n < sizeof text) {
    memcpy(text, uid.s, uid.n);
    text[uid.n] = '\0';
    lua_pushnumber(L, strtod(text, NULL));
  } else {
    lua_pushlstring(L, uid.s, uid.n);
  }
}

const char *pml_lua_name(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return strlen(s) == n ? s : "";
}

void pml_lua_push_slice(lua_State *L, pml_slice s) {
  if (s.n) lua_pushlstring(L, (const char *)s.p, s.n);
  else lua_pushnil(L);
}

void pml_lua_push_uids(lua_State *L, pml_slice list) {
  pml_uid uid;
  int i = 0;
  lua_newtable(L);
  while (pml_uids_next(&list, &uid) > 0) {
    pml_lua_push_uid(L, uid);
    lua_rawseti(L, -2, ++i);
  }
}

int pml_lua_uids(lua_State *L, int idx, pml_writer *w) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  if (lua_isnoneornil(L, idx)) return 0;
  if (lua_type(L, idx) != LUA_TTABLE) return PML_EINVAL;
  int n = (int)lua_objlen(L, idx);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, idx, i);
    int rc = pml_lua_uid(L, -1, buf, &uid);
    if (rc == 0) pml_uids_put(w, uid);
    lua_pop(L, 1);
    if (rc) return rc;
  }
  return 0;
}
