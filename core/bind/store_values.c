#include "bind/store_values.h"

#include "base/err.h"
#include "script/values.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#define ARRAYS_DEEP 16 /* arrays inside of arrays */

/* The metatable of blobs stands in the registry under this address. */
static const char blobs;

static void push_blob_class(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&blobs);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

/* tostring(blob) */
static int l_blob_text(lua_State *L) {
  lua_rawgeti(L, 1, 1);
  lua_pushfstring(L, "pomelua.blob of %d bytes", (int)lua_objlen(L, -1));
  return 1;
}

int pml_lua_store_blob(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  push_blob_class(L);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, l_blob_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "pomelua.blob");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "pomelua.blob");
    lua_setfield(L, -2, "__metatable");
    lua_pushlightuserdata(L, (void *)(uintptr_t)&blobs);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_setmetatable(L, -2);
  return 1;
}

/* The bytes of the blob at the top, which stay alive with it; NULL: it is none. */
static const char *blob_at_top(lua_State *L, size_t *n) {
  const char *s = NULL;
  if (!lua_istable(L, -1) || !lua_getmetatable(L, -1)) return NULL;
  push_blob_class(L);
  int is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (!is) return NULL;
  lua_rawgeti(L, -1, 1);
  if (lua_type(L, -1) == LUA_TSTRING) s = lua_tolstring(L, -1, n);
  lua_pop(L, 1);
  return s;
}

static void put_number(pml_data *out, lua_Number x) {
  if (x == floor(x) && x >= -PML_LUA_WHOLE && x <= PML_LUA_WHOLE) pml_data_int(out, (int64_t)x);
  else pml_data_real(out, x);
}

/* The value at the top. */
static int put(lua_State *L, pml_data *out) {
  size_t n;
  const char *s;
  switch (lua_type(L, -1)) {
  case LUA_TNIL: pml_data_null(out); return 0;
  case LUA_TBOOLEAN: pml_data_bool(out, lua_toboolean(L, -1)); return 0;
  case LUA_TNUMBER:
    if (isnan(lua_tonumber(L, -1))) return -1;
    put_number(out, lua_tonumber(L, -1));
    return 0;
  case LUA_TSTRING:
    s = lua_tolstring(L, -1, &n);
    pml_data_text(out, PML_DATUM_TEXT, pml_slice_of(s, n));
    return 0;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, -1)) return -1;
    pml_data_null(out);
    return 0;
  default:
    s = blob_at_top(L, &n);
    if (s) pml_data_text(out, PML_DATUM_BYTES, pml_slice_of(s, n));
    return s ? 0 : -1;
  }
}

/* The value at the top cannot be number i of a call. */
static int refuse_value(lua_State *L, int i, char *err, size_t nerr) {
  int nan = lua_type(L, -1) == LUA_TNUMBER;
  snprintf(err, nerr,
           "value %d must be a string, a number, a boolean, nil, pomelua.null or "
           "pomelua.blob(bytes), got %s%s%s",
           i, nan ? "NaN" : "a ", nan ? "" : luaL_typename(L, -1),
           lua_istable(L, -1) ? "; pomelua.json.encode makes a text of it" : "");
  return -1;
}

int pml_lua_store_params(lua_State *L, int idx, pml_data *out, char *err, size_t nerr) {
  lua_getfield(L, idx, "n");
  int n = lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : (int)lua_objlen(L, idx), rc = 0;
  lua_pop(L, 1);
  for (int i = 1; i <= n && !rc; i++) {
    lua_rawgeti(L, idx, i);
    if (put(L, out) != 0) rc = refuse_value(L, i, err, nerr);
    lua_pop(L, 1);
  }
  if (rc) pml_data_drop(out);
  return rc;
}

int pml_lua_store_values(lua_State *L, int first, int n, pml_data *out, char *err, size_t nerr) {
  int rc = 0;
  for (int i = 1; i <= n && !rc; i++) {
    lua_pushvalue(L, first + i - 1);
    if (put(L, out) != 0) rc = refuse_value(L, i, err, nerr);
    lua_pop(L, 1);
  }
  if (rc) pml_data_drop(out);
  return rc;
}

static int too_large(const pml_datum *v) {
  const int64_t most = (int64_t)PML_LUA_WHOLE; /* a comparison of doubles would not see one more */
  return v->kind == PML_DATUM_INT && (v->i > most || v->i < -most);
}

static void refuse(pml_store_call *c, const char *text) {
  c->message = pml_buf_from(text, strlen(text));
  c->rc = PML_STORE_RANGE;
  pml_data_drop(&c->values);
  c->rows = c->columns = 0;
}

/* Whether arrays lie deeper in each other than a script may get them. */
static int too_deep(const pml_data *l) {
  uint32_t left[ARRAYS_DEEP];
  int depth = 0;
  for (size_t i = 0; i < l->n; i++) {
    while (depth && left[depth - 1] == 0) depth--;
    if (depth) left[depth - 1]--;
    if (l->v[i].kind != PML_DATUM_ARRAY) continue;
    if (depth == ARRAYS_DEEP) return 1;
    left[depth++] = l->v[i].n;
  }
  return 0;
}

void pml_lua_store_check(pml_store_call *c) {
  char text[300];
  pml_data *l = &c->values;
  if (c->rc) return;
  for (size_t i = 0; i < l->n; i++) {
    if (!too_large(&l->v[i])) continue;
    long long n = (long long)l->v[i].i;
    if (c->op == PML_STORE_QUERY) {
      pml_slice name = pml_data_slice(l, &l->v[i % c->columns]);
      if (name.n > 64) name.n = 64;
      snprintf(text, sizeof text,
               "column %.*s: %lld does not fit a number; select cast(%.*s as text)", (int)name.n,
               (const char *)name.p, n, (int)name.n, (const char *)name.p);
    } else {
      snprintf(text, sizeof text, "%lld does not fit a number", n);
    }
    refuse(c, text);
    return;
  }
  if (too_deep(l)) refuse(c, "arrays lie deeper in each other than 16");
}

static void push_value(lua_State *L, pml_data *l, size_t *at);

static void push_array(lua_State *L, pml_data *l, uint32_t n, size_t *at) {
  luaL_checkstack(L, 4, "too many arrays in arrays");
  size_t left = l->n - *at;
  lua_createtable(L, (int)(n < left ? n : left), 0);
  for (uint32_t i = 1; i <= n && *at < l->n; i++) {
    int null = l->v[*at].kind == PML_DATUM_NULL;
    push_value(L, l, at);
    if (null) {
      lua_pop(L, 1);
      lua_pushlightuserdata(L, NULL); /* pomelua.null: nil would end the array */
    }
    lua_rawseti(L, -2, (int)i);
  }
}

/* The value at *at, which moves behind it. Arrays are not deep: pml_lua_store_check has looked. */
static void push_value(lua_State *L, pml_data *l, size_t *at) {
  const pml_datum *v = &l->v[(*at)++];
  pml_slice s;
  switch (v->kind) {
  case PML_DATUM_NULL: lua_pushnil(L); break;
  case PML_DATUM_BOOL: lua_pushboolean(L, v->i != 0); break;
  case PML_DATUM_INT: lua_pushnumber(L, (lua_Number)v->i); break;
  case PML_DATUM_REAL: lua_pushnumber(L, v->d); break;
  case PML_DATUM_TEXT:
  case PML_DATUM_BYTES:
    s = pml_data_slice(l, v);
    lua_pushlstring(L, (const char *)s.p, s.n);
    break;
  case PML_DATUM_ERROR:
    s = pml_data_slice(l, v);
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, (const char *)s.p, s.n);
    lua_setfield(L, -2, "error");
    break;
  case PML_DATUM_ARRAY: push_array(L, l, v->n, at); break;
  }
}

/* An array of rows: tables of columns, NULL a field that is not there. */
static void push_rows(lua_State *L, pml_store_call *c) {
  pml_data *l = &c->values;
  int columns = (int)c->columns, rows, names = lua_gettop(L);
  luaL_checkstack(L, columns + 8, "too many columns");
  size_t at = 0;
  for (int i = 0; i < columns; i++) push_value(L, l, &at);
  lua_createtable(L, (int)c->rows, 0);
  rows = names + columns + 1;
  for (int r = 1; columns && at < l->n; r++) {
    lua_createtable(L, 0, columns);
    for (int i = 1; i <= columns && at < l->n; i++) {
      lua_pushvalue(L, names + i);
      push_value(L, l, &at);
      lua_rawset(L, -3);
    }
    lua_rawseti(L, rows, r);
  }
  if (columns) lua_replace(L, names + 1); /* otherwise it is there */
  lua_settop(L, names + 1);
}

static const char *code_of(int rc) {
  switch (rc) {
  case PML_ETIMEOUT: return "TIMEOUT";
  case PML_EFULL: return "BUSY";
  case PML_ECLOSED: return "CLOSED";
  case PML_STORE_RANGE:
  case PML_ETOOBIG: return "RANGE";
  case PML_EBOUND: return "PRIVATE";
  default: return "DB";
  }
}

static int push_failure(lua_State *L, const pml_store_call *c) {
  pml_slice m = pml_buf_slice(c->message);
  lua_pushstring(L, code_of(c->rc));
  if (m.n) lua_pushlstring(L, (const char *)m.p, m.n);
  else lua_pushstring(L, pml_err_name(c->rc));
  if (*c->state) lua_pushstring(L, c->state);
  else lua_pushnil(L);
  return 3;
}

int pml_lua_store_push(lua_State *L, pml_store_call *c) {
  size_t at = 0;
  if (c->rc) return push_failure(L, c);
  lua_pushnil(L);
  switch (c->op) {
  case PML_STORE_QUERY: push_rows(L, c); break;
  case PML_STORE_BEGIN: lua_pushnumber(L, (lua_Number)c->tx); break;
  case PML_STORE_COMMAND:
    if (c->values.n) push_value(L, &c->values, &at);
    else lua_pushnil(L);
    break;
  case PML_STORE_REQUEST: push_array(L, &c->values, (uint32_t)c->values.n, &at); break;
  default: lua_pushnumber(L, (lua_Number)c->rows);
  }
  return 2;
}
