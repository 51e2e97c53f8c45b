/* l_log: methods of the node: its log, and the categories of its scripts. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "script/ctext.h"
#include "script/log_ways.h"
#include "script/values.h"

#include <errno.h>
#include <string.h>

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const least[] = {"debug", "info", "warn", "error", "silent", NULL};

/* node:log(level, text) */
static int l_log(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int level = luaL_checkoption(L, 2, NULL, levels);
  size_t n;
  const char *text = luaL_checklstring(L, 3, &n);
  pml_log_text(pml_node_log(lua->node), (pml_level)level, text, n);
  return 0;
}

/* node:logIn(category, level, text): category is what logWay has returned */
static int l_log_in(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const pml_log *log = pml_log_ways_at(lua, (int)luaL_checkinteger(L, 2));
  int level = luaL_checkoption(L, 3, NULL, levels);
  size_t n;
  const char *text = luaL_checklstring(L, 4, &n);
  luaL_argcheck(L, log != NULL, 2, "no such category");
  pml_log_text(log, (pml_level)level, text, n);
  return 0;
}

/* node:logWay(category, level, console, {path, …}) -> number | nil, message, code: where the lines
 * of a category go, or, of "", the server's own */
static int l_log_way(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_log_wish wish = {.category = pml_lua_ctext(L, 2, "category")};
  const char *bad = NULL;
  wish.level = (pml_level)luaL_checkoption(L, 3, NULL, least);
  wish.console = lua_toboolean(L, 4);
  luaL_checktype(L, 5, LUA_TTABLE);
  luaL_argcheck(L, strlen(wish.category) <= PML_LOG_CATEGORY_MAX, 2, "a name of up to 64 bytes");
  size_t n = lua_objlen(L, 5);
  luaL_argcheck(L, n <= PML_LOG_WAY_FILES, 5, "at most 8 files");
  luaL_checkstack(L, (int)n + 4, "paths");
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, 5, (int)i); /* stays: the table may be a script's */
    wish.file[wish.files++] = pml_lua_ctext(L, lua_gettop(L), "path");
  }
  int number = pml_log_ways_set(lua, &wish, &bad);
  if (number == PML_EFULL) return pml_lua_fail(L, PML_EFULL, "there are 256 categories already");
  if (number < 0) {
    const char *why = errno == ENFILE ? "there are 256 log files already" : strerror(errno);
    return pml_lua_fail(L, PML_EINVAL, lua_pushfstring(L, "%s: %s", bad, why));
  }
  lua_pushinteger(L, number);
  return 1;
}

/* node:mayLog(level, kind, lines, ms) -> whether a line that others can cause may be written */
static int l_may_log(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int level = luaL_checkoption(L, 2, NULL, levels);
  size_t n;
  const char *kind = luaL_checklstring(L, 3, &n);
  lua_Integer lines = luaL_checkinteger(L, 4), ms = luaL_checkinteger(L, 5);
  luaL_argcheck(L, lines > 0, 4, "at least one line");
  luaL_argcheck(L, ms > 0 && ms <= 3600000, 5, "milliseconds, from 1 to 3600000");
  lua_pushboolean(L, pml_log_may(pml_node_log(lua->node), (pml_level)level, kind, n,
                                 (uint32_t)lines, (uint32_t)ms));
  return 1;
}

const luaL_Reg pml_log_methods[] = {
  {"log", l_log}, {"logIn", l_log_in}, {"logWay", l_log_way}, {"mayLog", l_may_log}, {NULL, NULL},
};
