/* l_scratch: core.scratch, a function that runs in a Lua state of its own. */
#ifndef PML_BIND_L_SCRATCH_H
#define PML_BIND_L_SCRATCH_H

#include <lua.h>

/* Sets scratch on the module at the top. core: opens pomelua.core. */
void pml_open_scratch(lua_State *L, lua_CFunction core);

#endif
