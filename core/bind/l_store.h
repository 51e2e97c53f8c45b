/* l_store: core.store, a store as scripts hold it: calls go in, answers come back as values of Lua,
 * for all kinds alike. Each kind has a file that reads its options and opens it. */
#ifndef PML_BIND_L_STORE_H
#define PML_BIND_L_STORE_H

#include "script/handle.h"
#include "store/store.h"

/* Opens a store with the options of the table at idx, whose values have been checked by the Lua
 * half: a wrong one raises. lua: NULL for a command, which has no server; the loop is then of this
 * store alone. Returns owned, or NULL with one sentence in err. */
typedef pml_store *(*pml_store_open_fn)(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                                        const pml_store_limits *limits, char *err, size_t nerr);

/* One function for each kind, in l_store_<kind>.c; l_store.c has the table. */
pml_store *pml_lua_sqlite(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                          const pml_store_limits *limits, char *err, size_t nerr);
pml_store *pml_lua_mysql(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                         const pml_store_limits *limits, char *err, size_t nerr);
pml_store *pml_lua_redis(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                         const pml_store_limits *limits, char *err, size_t nerr);
pml_store *pml_lua_http(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                        const pml_store_limits *limits, char *err, size_t nerr);
pml_store *pml_lua_postgres(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                            const pml_store_limits *limits, char *err, size_t nerr);

/* core.sqliteBackup(from, to) -> true | nil, message, NAME: blocks, for commands */
int pml_lua_sqlite_backup(lua_State *L);

/* Sets `store`, `blob` and `sqliteBackup` on the module at the top. */
void pml_open_store(lua_State *L);

#endif
