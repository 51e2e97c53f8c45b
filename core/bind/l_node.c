/* l_node: methods of the node: what it is, its configuration and log, the servers of the app, where
 * it listens, what it has counted. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/script_lua.h"
#include "script/values.h"

/* node:entries{message=fn, …}: the functions that C calls */
static int l_entries(lua_State *L) {
  pml_script_lua_entries(L, pml_lua_check(L), 2);
  return 0;
}

/* node:id() -> string */
static int l_id(lua_State *L) {
  lua_pushstring(L, pml_node_id(pml_lua_check(L)->node));
  return 1;
}

/* node:type() -> string */
static int l_type(lua_State *L) {
  lua_pushstring(L, pml_node_type(pml_lua_check(L)->node));
  return 1;
}

/* node:isFrontend() -> boolean */
static int l_is_frontend(lua_State *L) {
  lua_pushboolean(L, pml_node_is_frontend(pml_lua_check(L)->node));
  return 1;
}

/* node:now() -> milliseconds, monotonic */
static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_loop_now(pml_node_loop(pml_lua_check(L)->node)));
  return 1;
}

/* node:configure{name = number, …} -> true; raises on an unknown name or a bad value */
static int l_configure(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    double lo = 0, hi = 0;
    if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "configure: names are strings");
    const char *name = pml_lua_ctext(L, -2, "configure: a name");
    if (lua_type(L, -1) != LUA_TNUMBER)
      return luaL_error(L, "%s must be a number, got a %s", name, luaL_typename(L, -1));
    int rc = pml_config_set(pml_node_config(lua->node), name, lua_tonumber(L, -1), &lo, &hi);
    if (rc == PML_ENOENT) return luaL_error(L, "configure: there is no setting '%s'", name);
    if (rc)
      return luaL_error(L, "%s must be from %f to %f, got %f", name, lo, hi, lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
  pml_budget_set(lua->budget, pml_node_config(lua->node)->budget_ms);
  pml_budget_start(lua->budget, pml_node_config(lua->node)->start_budget_ms);
  pml_budget_memory(lua->budget, pml_node_config(lua->node)->memory_hard_mib);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:renew(): a script that was being stopped has ended; what follows has a whole budget */
static int l_renew(lua_State *L) {
  pml_budget_renew(pml_lua_check(L)->budget);
  return 0;
}

static const char *server_field(lua_State *L, int i, const char *name) {
  lua_getfield(L, -1, name);
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "servers[%d].%s must be a string, got a %s", i, name, luaL_typename(L, -1));
  const char *s = pml_lua_ctext_field(L, -1, name); /* lives in the table */
  lua_pop(L, 1);
  return s;
}

static int is_entry(const pml_directory *d, size_t i, const char *id, const char *type,
                    int frontend, uint32_t weight) {
  const pml_server_info *v = i < d->n ? &d->v[i] : NULL;
  return v && strcmp(v->id, id) == 0 && strcmp(v->type, type) == 0 && v->frontend == frontend &&
         v->weight == weight;
}

/* node:setServers{{id=, type=, frontend=, weight=}, …} -> true: all servers of the app. The list
 * that is there already changes nothing: the servers keep their turns. */
static int l_set_servers(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_directory *d = pml_node_directory(lua->node);
  luaL_checktype(L, 2, LUA_TTABLE);
  int n = (int)lua_objlen(L, 2), same = (size_t)n == d->n;
  for (int checked = 0; checked < 2 - same; checked++) {
    if (checked) pml_directory_clear(d);
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, 2, i);
      if (!lua_istable(L, -1)) return luaL_error(L, "servers[%d] must be a table", i);
      const char *id = server_field(L, i, "id"), *type = server_field(L, i, "type");
      lua_getfield(L, -1, "frontend");
      lua_getfield(L, -2, "weight");
      lua_Number weight = luaL_optnumber(L, -1, 1);
      if (!(weight >= 0 && weight <= 1000000)) return luaL_error(L, "servers[%d].weight", i);
      int frontend = lua_toboolean(L, -2);
      same = same && is_entry(d, (size_t)i - 1, id, type, frontend, (uint32_t)weight);
      if (checked) pml_directory_add(d, id, type, frontend)->weight = (uint32_t)weight;
      lua_pop(L, 3);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:servers(type) -> {id, …}: of the type, those that are there and do not stop */
static int l_servers(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *type = luaL_checklstring(L, 2, &n);
  const pml_server_type *t = pml_node_servers(lua->node, pml_slice_of(type, n));
  lua_createtable(L, t ? (int)t->n : 0, 0);
  for (size_t i = 0; t && i < t->n; i++) {
    lua_pushstring(L, t->v[i]->id);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* node:directoryVersion() -> number: another one after each server that came, went or stops */
static int l_directory_version(lua_State *L) {
  lua_pushnumber(L, pml_node_directory(pml_lua_check(L)->node)->version);
  return 1;
}

/* node:alive(serverId) -> boolean */
static int l_alive(lua_State *L) {
  lua_pushboolean(L, pml_node_alive(pml_lua_check(L)->node, pml_lua_name(L, 2)));
  return 1;
}

/* node:incarnation(serverId) -> number: which life of that server is there now | nil: it is not */
static int l_incarnation(lua_State *L) {
  uint64_t it = pml_node_incarnation(pml_lua_check(L)->node, pml_lua_name(L, 2));
  if (it) lua_pushnumber(L, (lua_Number)it);
  else lua_pushnil(L);
  return 1;
}

/* node:listen{host=, port=} -> port | nil, message, "IO" */
static int l_listen(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char err[512];
  int bound;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "host");
  lua_getfield(L, 2, "port");
  const char *host = lua_isnil(L, -2) ? NULL : pml_lua_ctext(L, -2, "host");
  int rc = pml_node_listen(lua->node, host, (int)luaL_checkinteger(L, -1), &bound, err, sizeof err);
  if (rc) return pml_lua_fail(L, rc, err);
  lua_pushinteger(L, bound);
  return 1;
}

static void count_field(const char *name, double value, void *ud) {
  lua_State *L = ud;
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* node:counts() -> table of counters by name */
static int l_counts(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_newtable(L);
  pml_node_counts(lua->node, count_field, L);
  return 1;
}

/* node:countOverInFlight(): a message was refused, as too many of its session's are worked on */
static int l_count_over_in_flight(lua_State *L) {
  pml_node_count_over_in_flight(pml_lua_check(L)->node);
  return 0;
}

const luaL_Reg pml_node_methods[] = {
  {"entries", l_entries},
  {"id", l_id},
  {"type", l_type},
  {"isFrontend", l_is_frontend},
  {"now", l_now},
  {"configure", l_configure},
  {"renew", l_renew},
  {"setServers", l_set_servers},
  {"alive", l_alive},
  {"servers", l_servers},
  {"directoryVersion", l_directory_version},
  {"incarnation", l_incarnation},
  {"listen", l_listen},
  {"counts", l_counts},
  {"countOverInFlight", l_count_over_in_flight},
  {NULL, NULL},
};
