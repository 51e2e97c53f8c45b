#include "script/call.h"

#include "base/mem.h"

#include <lauxlib.h>
#include <stdint.h>

/* Its address is the key in the registry: no string is made for each call. */
static const char key;

static void describe(lua_State *L) {
  if (lua_isstring(L, 1)) return;
  if (!luaL_callmeta(L, 1, "__tostring") || !lua_isstring(L, -1))
    lua_pushfstring(L, "(error object: %s)", luaL_typename(L, 1));
  lua_replace(L, 1);
  lua_settop(L, 1);
}

static int traceback(lua_State *L) {
  lua_settop(L, 1);
  describe(L);
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

static int message_only(lua_State *L) {
  lua_settop(L, 1);
  describe(L);
  return 1;
}

static int deferred(lua_State *L) {
  const pml_lua_deferred *d = lua_touserdata(L, 1);
  luaL_checkstack(L, 20, "the arguments of a call");
  pml_anchor_push(L, d->fn);
  lua_call(L, d->push(L, d->args), d->nresults);
  return d->nresults;
}

/* Pushes one of the functions that pml_lua_call_open has made. */
static void push_function(lua_State *L, int which) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_rawgeti(L, -1, which);
  lua_replace(L, -2);
}

void pml_lua_defer(lua_State *L, const pml_lua_deferred *d) {
  push_function(L, 3);
  lua_pushlightuserdata(L, (void *)(uintptr_t)d);
}

void pml_lua_call_open(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&key);
  lua_newtable(L);
  lua_pushcfunction(L, traceback);
  lua_rawseti(L, -2, 1);
  lua_pushcfunction(L, message_only);
  lua_rawseti(L, -2, 2);
  lua_pushcfunction(L, deferred);
  lua_rawseti(L, -2, 3);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

/* Leaves the error's text on top when it fails. */
static int protected_call(lua_State *L, int nargs, int nresults, int handler) {
  int base = lua_gettop(L) - nargs; /* index of the function */
  if (!lua_checkstack(L, nresults + 4)) {
    lua_settop(L, base - 1);
    lua_pushliteral(L, "the Lua stack is full");
    return -1;
  }
  push_function(L, handler);
  lua_insert(L, base);
  int rc = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  return rc;
}

int pml_lua_call(lua_State *L, int nargs, int nresults, const pml_log *log, const char *what) {
  if (protected_call(L, nargs, nresults, 1) == 0) return 0;
  const char *msg = lua_tostring(L, -1);
  pml_log_some(log, PML_ERROR, what, "%s: %s", what, msg ? msg : "an error without a message");
  lua_pop(L, 1);
  return -1;
}

int pml_lua_try(lua_State *L, int nargs, int nresults, char **err) {
  if (protected_call(L, nargs, nresults, 2) == 0) return 0;
  const char *msg = lua_tostring(L, -1);
  *err = pml_strdup(msg ? msg : "an error without a message");
  lua_pop(L, 1);
  return -1;
}
