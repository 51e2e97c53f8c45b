/* l_store_mysql: the options of a store of kind mysql: host, port, user, password, database, tls
 * (true, or the file of the authority), connections, idle. */
#include "bind/l_store.h"
#include "bind/store_options.h"
#include "script/ctext.h"
#include "store/mysql.h"

pml_store *pml_lua_mysql(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                         const pml_store_limits *limits, char *err, size_t nerr) {
  (void)lua;
  int top = lua_gettop(L);
  pml_mysql_options o = {.pool = PML_STORE_POOL_OPTIONS};
  o.host = pml_lua_store_text(L, idx, "host");
  o.user = pml_lua_store_text(L, idx, "user");
  o.password = pml_lua_store_text(L, idx, "password");
  o.database = pml_lua_store_text(L, idx, "database");
  o.port = (uint16_t)pml_lua_store_number(L, idx, "port", 1, 65535, 3306);
  o.pool.connections = pml_lua_store_number(L, idx, "connections", 1, 1024, o.pool.connections);
  o.pool.idle_ms = pml_lua_store_number(L, idx, "idle", 1, PML_LUA_STORE_DAY, o.pool.idle_ms);
  lua_getfield(L, idx, "tls");
  o.tls = lua_toboolean(L, -1);
  if (lua_type(L, -1) == LUA_TSTRING) o.ca = pml_lua_ctext(L, -1, "tls");
  pml_store *s = pml_mysql_open(l, &o, limits, err, nerr);
  lua_settop(L, top);
  return s;
}
