/* l_node: the metatable "pomelua.node". Methods return nil, message, NAME on
 * expected failures and raise on wrong types. */
#ifndef PML_BIND_L_NODE_H
#define PML_BIND_L_NODE_H

#include <lua.h>

void pml_open_node(lua_State *L);

#endif
