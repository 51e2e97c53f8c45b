#include "bind/push_options.h"

#include "base/mem.h"
#include "script/call.h"
#include "script/values.h"

#include <string.h>

static const char *const option_names[] = {"except", "binded", "filterParam", "delivery", "key"};

/* (table, key) -> value */
static int l_get(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

void pml_lua_field(lua_State *L, int idx, const char *key) {
  char *err = NULL;
  lua_pushstring(L, key);
  lua_rawget(L, idx);
  if (!lua_isnil(L, -1) || !lua_getmetatable(L, idx)) return;
  lua_pop(L, 2);
  lua_pushcfunction(L, l_get);
  lua_pushvalue(L, idx);
  lua_pushstring(L, key);
  if (pml_lua_try(L, 2, 1, &err) == 0) return;
  pml_free(err);
  lua_pushnil(L);
}

/* Warns of an option that is nearly one of these: a mistyped `except` would send the push to the
 * users who must not get it. Names the script's line. The key is at the top. */
static void look_at_option(lua_State *L, const pml_lua *lua, const pml_push_options *o) {
  int key = lua_gettop(L);
  size_t n = sizeof option_names / sizeof *option_names;
  if (lua_type(L, key) != LUA_TSTRING) return;
  for (size_t i = 0; i < n; i++)
    if (strcmp(lua_tostring(L, key), option_names[i]) == 0) return;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushstring(L, option_names[i]);
    lua_rawseti(L, key + 1, (int)i + 1);
  }
  pml_lua_nearest(L, key, key + 1);
  const char *near = lua_tostring(L, -1);
  luaL_where(L, o->level);
  if (near)
    pml_log_some(pml_node_log(lua->node), PML_WARN, "options of pushes",
                 "%s%s: opts.%s does nothing; did you mean %s?", lua_tostring(L, -1), o->what,
                 lua_tostring(L, key), near);
  lua_settop(L, key);
}

/* Raises at the line of the script. */
static void wrong_option(lua_State *L, const pml_push_options *o, const char *text,
                         const char *got) {
  luaL_where(L, o->level);
  lua_pushfstring(L, "%s: %s, got %s", o->what, text, got);
  lua_concat(L, 2);
  lua_error(L);
}

static const char *const policies[] = {
  [PML_RELIABLE] = "reliable", [PML_LATEST] = "latest", [PML_DROP] = "drop", NULL};

/* opts.delivery stands at the top, and is none of the policies. */
static void wrong_policy(lua_State *L, const pml_push_options *o) {
  static const char text[] = "opts.delivery must be \"reliable\", \"latest\" or \"drop\"";
  int value = lua_gettop(L);
  if (lua_type(L, value) != LUA_TSTRING) wrong_option(L, o, text, luaL_typename(L, value));
  lua_createtable(L, 3, 0);
  for (int i = 0; policies[i]; i++) {
    lua_pushstring(L, policies[i]);
    lua_rawseti(L, value + 1, i + 1);
  }
  pml_lua_nearest(L, value, value + 1);
  const char *near = lua_tostring(L, -1);
  wrong_option(L, o, text,
               near
                 ? lua_pushfstring(L, "\"%s\"; did you mean \"%s\"?", lua_tostring(L, value), near)
                 : lua_pushfstring(L, "\"%s\"", lua_tostring(L, value)));
}

/* Reads opts.delivery and opts.key. */
static void read_delivery(lua_State *L, int opts, pml_slice route, pml_push_options *o) {
  char number[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_lua_field(L, opts, "key");
  pml_lua_field(L, opts, "delivery");
  if (!lua_isnil(L, -1)) {
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    int i = 0;
    while (policies[i] && strcmp(policies[i], name) != 0) i++;
    if (!policies[i]) wrong_policy(L, o);
    o->how.policy = (pml_policy)i;
  }
  int keyed = !lua_isnil(L, -2);
  if (keyed && o->how.policy != PML_LATEST)
    wrong_option(L, o, "opts.key belongs to opts.delivery = \"latest\"",
                 lua_isnil(L, -1) ? "no delivery" : policies[o->how.policy]);
  if (keyed && pml_lua_uid(L, -2, number, &uid) != 0)
    wrong_option(L, o, "opts.key must be a string of at most 4096 bytes or a number",
                 lua_type(L, -2) == LUA_TSTRING ? "a longer one" : luaL_typename(L, -2));
  if (o->how.policy == PML_LATEST) {
    pml_slice key = keyed ? pml_slice_of(uid.s, uid.n) : pml_slice_str(NULL);
    o->how = pml_delivery_latest(route, keyed ? &key : NULL);
  }
  lua_pop(L, 2);
}

void pml_lua_push_options(lua_State *L, pml_lua *lua, int opts, pml_slice route,
                          pml_push_options *out) {
  pml_lua_field(L, opts, "except");
  pml_lua_field(L, opts, "filterParam");
  pml_lua_field(L, opts, "binded");
  out->binded = lua_toboolean(L, -1);
  lua_pop(L, 1);
  read_delivery(L, opts, route, out);
  lua_pushnil(L);
  while (lua_next(L, opts)) {
    lua_pop(L, 1);
    look_at_option(L, lua, out);
  }
}
