/* l_limit: pomelua.core.limit: a budget for the scripts of virtual nodes, which run in a state
 * that is not ours: busted's. */
#ifndef PML_BIND_L_LIMIT_H
#define PML_BIND_L_LIMIT_H

#include "script/budget.h"

#include <lua.h>

void pml_open_limit(lua_State *L);
/* The budget of the limit at that index, for servers with threads of their own in the same process:
 * borrowed, as long as the limit lives. Raises when there is another value. */
pml_budget *pml_lua_limit_budget(lua_State *L, int index);

#endif
