/* l_watch: node:watch, node:unwatch and node:check: folders that are looked at, and texts
 * that are parsed in a process of their own. */
#ifndef PML_BIND_L_WATCH_H
#define PML_BIND_L_WATCH_H

#include "script/lua_node.h"

/* Sets the methods on the method table at the top. */
void pml_lua_watch_methods(lua_State *L);
/* Ends what is being watched and checked, before the state is closed. */
void pml_lua_watch_end(pml_lua *lua);

#endif
