/* l_limit: pomelua.core.limit: a budget for the scripts of virtual nodes, which run in a state
 * that is not ours: busted's. */
#ifndef PML_BIND_L_LIMIT_H
#define PML_BIND_L_LIMIT_H

#include <lua.h>

void pml_open_limit(lua_State *L);

#endif
