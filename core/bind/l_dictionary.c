#include "bind/l_dictionary.h"

#include "base/err.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "host/dictionaries.h"
#include "node/forms.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

#define TNAME "pomelua.dictionary"

static const char kind;

typedef struct {
  const void *kind; /* see pml_lua_object */
  pml_dictionary *d;
} handle;

pml_dictionary *pml_lua_dictionary(lua_State *L, int idx) {
  return ((handle *)pml_lua_object(L, idx, sizeof(handle), &kind, TNAME))->d;
}

/* Pushes a handle that is to get a dictionary: memory is had before there is something to lose. */
static handle *push(lua_State *L) {
  handle *h = lua_newuserdata(L, sizeof *h);
  *h = (handle){.kind = &kind};
  luaL_getmetatable(L, TNAME);
  lua_setmetatable(L, -2);
  return h;
}

/* the dictionary loses one that holds it */
static int l_gc(lua_State *L) {
  handle *h = lua_touserdata(L, 1);
  pml_dictionary_unref(h->d);
  h->d = NULL;
  return 0;
}

/* dictionary:count() -> how many numbers stand for a route */
static int l_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)pml_dictionary_count(pml_lua_dictionary(L, 1)));
  return 1;
}

/* dictionary:version() -> text */
static int l_version(lua_State *L) {
  lua_pushstring(L, pml_dictionary_version(pml_lua_dictionary(L, 1)));
  return 1;
}

/* dictionary:fields() -> JSON members of a handshake answer's sys */
static int l_fields(lua_State *L) {
  pml_dictionary *d = pml_lua_dictionary(L, 1);
  pml_writer w = {0};
  pml_dictionary_put_fields(d, &w);
  lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
  pml_writer_drop(&w);
  return 1;
}

/* dictionary:code(route) -> number | nil */
static int l_code(lua_State *L) {
  size_t n;
  pml_dictionary *d = pml_lua_dictionary(L, 1);
  const char *route = luaL_checklstring(L, 2, &n);
  uint16_t code = pml_dictionary_code(d, pml_slice_of(route, n));
  if (code) lua_pushinteger(L, code);
  else lua_pushnil(L);
  return 1;
}

/* dictionary:route(number) -> text | nil */
static int l_route(lua_State *L) {
  pml_dictionary *d = pml_lua_dictionary(L, 1);
  lua_Number code = luaL_checknumber(L, 2);
  int is_code = code >= 0 && code <= PML_DICTIONARY_MAX;
  pml_lua_push_slice(L, pml_dictionary_route(d, is_code ? (uint16_t)code : 0));
  return 1;
}

static const luaL_Reg methods[] = {
  {"count", l_count}, {"version", l_version}, {"fields", l_fields},
  {"code", l_code},   {"route", l_route},     {NULL, NULL},
};

/* The pairs of two arrays of equal length, which keep the routes alive; in a userdata at the top.
 */
static pml_dictionary_pair *pairs_of(lua_State *L, size_t n) {
  pml_dictionary_pair *pairs = lua_newuserdata(L, (n + 1) * sizeof *pairs);
  for (size_t i = 0; i < n; i++) {
    size_t len;
    lua_rawgeti(L, 1, (int)i + 1);
    lua_rawgeti(L, 2, (int)i + 1);
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "dictionary: routes[%d] and codes[%d] must be a string and a number",
                 (int)i + 1, (int)i + 1);
    const char *route = lua_tolstring(L, -2, &len);
    lua_Number code = lua_tonumber(L, -1);
    int is_code = code >= 1 && code <= PML_DICTIONARY_MAX;
    pairs[i] =
      (pml_dictionary_pair){pml_slice_of(route, len), is_code ? (uint16_t)code : (uint16_t)0};
    lua_pop(L, 2);
  }
  return pairs;
}

/* core.dictionary(routes, codes) -> dictionary | nil, message, "TOOBIG" | "INVAL" | "EXIST" |
 * "NOENT": two arrays, the code of each route */
static int l_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  size_t n = lua_objlen(L, 1);
  pml_dictionary_pair *pairs = pairs_of(L, n);
  handle *h = push(L);
  int rc = pml_dictionary_new(pairs, n, &h->d);
  if (rc == 0) return 1;
  return pml_lua_fail(L, rc,
                      rc == PML_ETOOBIG  ? "more than 65535 routes, or one of more than 255 bytes"
                      : rc == PML_EEXIST ? "a code stands twice"
                      : rc == PML_ENOENT ? "this OpenSSL has no MD5"
                                         : "an empty route, one that is no UTF-8, or a code that "
                                           "is not from 1 to 65535");
}

void pml_open_dictionary(lua_State *L) {
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_pop(L, 1);
  lua_pushcfunction(L, l_new);
  lua_setfield(L, -2, "dictionary");
}

/* --- of nodes ------------------------------------------------------------------------ */

/* Calls the function at index 3, which gives a dictionary, or nil and a message. The result is at
 * the top: a dictionary, or anything and the message in *err, owned. */
static pml_dictionary *build(lua_State *L, char **err) {
  lua_pushvalue(L, 3);
  if (pml_lua_try(L, 0, 2, err) != 0) return NULL;
  handle *h = lua_touserdata(L, -2);
  if (h && lua_objlen(L, -2) == sizeof *h && h->kind == &kind) {
    lua_pop(L, 1);
    return h->d;
  }
  const char *text = lua_tostring(L, -1);
  *err = pml_strdup(text ? text : "no dictionary");
  return NULL;
}

static int give_up(lua_State *L, char *err) {
  int results = pml_lua_fail_name(L, "INVAL", err);
  pml_free(err);
  return results;
}

/* node:dictionary(key, build) -> dictionary | nil, message, "INVAL": the one of that key that all
 * servers of the program share; the first that asks builds it by build() -> dictionary | nil,
 * message, and the others wait. A virtual node shares with none. */
static int l_shared(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *key = pml_lua_ctext(L, 2, "key");
  luaL_checktype(L, 3, LUA_TFUNCTION);
  pml_dictionaries *all = lua->member ? pml_member_dictionaries(lua->member) : NULL;
  char *err = NULL;
  if (!all) return build(L, &err) ? 1 : give_up(L, err);
  handle *h = push(L);
  int rc = pml_dictionaries_take(all, key, &h->d, &err);
  if (rc == 0) return give_up(L, err);
  if (rc == 1) return 1;
  pml_dictionary *d = build(L, &err);
  pml_dictionaries_built(all, key, d, err);
  return d ? 1 : give_up(L, err);
}

/* node:setDictionary(dictionary | nil): of this frontend: what the codes in clients' messages
 * stand for, and what a session has by node:setForm */
static int l_set(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_forms_set_dictionary(lua->node, lua_isnoneornil(L, 2) ? NULL : pml_lua_dictionary(L, 2));
  return 0;
}

const luaL_Reg pml_dictionary_methods[] = {
  {"dictionary", l_shared},
  {"setDictionary", l_set},
  {NULL, NULL},
};
