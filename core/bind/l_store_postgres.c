/* l_store_postgres: the options of a store of kind postgres: host, port, user, password, database,
 * sslmode, sslrootcert, connections, idle (ms). */
#include "bind/l_store.h"
#include "bind/store_options.h"
#include "store/postgres.h"

pml_store *pml_lua_postgres(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                            const pml_store_limits *limits, char *err, size_t nerr) {
  (void)lua;
  pml_postgres_options o = {.pool = PML_STORE_POOL_OPTIONS};
  int top = lua_gettop(L);
  o.host = pml_lua_store_text(L, idx, "host");
  o.user = pml_lua_store_text(L, idx, "user");
  o.password = pml_lua_store_text(L, idx, "password");
  o.database = pml_lua_store_text(L, idx, "database");
  o.sslmode = pml_lua_store_text(L, idx, "sslmode");
  o.sslrootcert = pml_lua_store_text(L, idx, "sslrootcert");
  o.port = (uint16_t)pml_lua_store_number(L, idx, "port", 1, 65535, 5432);
  o.pool.connections = pml_lua_store_number(L, idx, "connections", 1, 1024, o.pool.connections);
  o.pool.idle_ms = pml_lua_store_number(L, idx, "idle", 1, PML_LUA_STORE_DAY, o.pool.idle_ms);
  pml_store *s = pml_postgres_open(l, &o, limits, err, nerr);
  lua_settop(L, top);
  return s;
}
