/* l_store_redis: the options of a store of kind redis: host, port and database (a text of digits or
 * a number); user, password; connections; idle, in milliseconds. */
#include "bind/l_store_redis.h"

#include "bind/store_options.h"

void pml_lua_redis_options(lua_State *L, int idx, pml_redis_options *o) {
  *o = PML_REDIS_OPTIONS;
  o->port = (uint16_t)pml_lua_store_number(L, idx, "port", 0, 65535, 0);
  o->database = pml_lua_store_number(L, idx, "database", 0, UINT32_MAX, 0);
  o->connections = pml_lua_store_number(L, idx, "connections", 1, 1024, o->connections);
  o->idle_ms = pml_lua_store_number(L, idx, "idle", 1, PML_LUA_STORE_DAY, o->idle_ms);
  o->host = pml_lua_store_text(L, idx, "host");
  o->user = pml_lua_store_text(L, idx, "user");
  o->password = pml_lua_store_text(L, idx, "password");
}

pml_store *pml_lua_redis(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                         const pml_store_limits *limits, char *err, size_t nerr) {
  pml_redis_options o;
  int top = lua_gettop(L);
  (void)lua;
  pml_lua_redis_options(L, idx, &o);
  pml_store *s = pml_redis_open(l, &o, limits, err, nerr);
  lua_settop(L, top);
  return s;
}
