/* l_store_sqlite: the options of a store of kind sqlite: file, and transaction, the milliseconds
 * that one may take. The servers of a program share its files. */
#include "bind/l_store.h"
#include "bind/store_options.h"
#include "store/sqlite.h"

pml_store *pml_lua_sqlite(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                          const pml_store_limits *limits, char *err, size_t nerr) {
  pml_sqlite_options o = {.tx_ms = PML_SQLITE_TX_MS, .at_once = !lua};
  int top = lua_gettop(L);
  o.file = pml_lua_store_text(L, idx, "file");
  if (!o.file) luaL_error(L, "a store of kind sqlite has a file");
  o.tx_ms = pml_lua_store_number(L, idx, "transaction", 1, PML_LUA_STORE_DAY, o.tx_ms);
  if (lua && lua->member) o.files = pml_member_sqlite(lua->member);
  pml_store *s = pml_sqlite_open(l, &o, limits, err, nerr);
  lua_settop(L, top);
  return s;
}
