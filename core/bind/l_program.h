/* l_program: core.run, the servers of an app as threads; only the command line uses it. */
#ifndef PML_BIND_L_PROGRAM_H
#define PML_BIND_L_PROGRAM_H

#include <lua.h>

/* Sets `run` on the module at the top. */
void pml_open_program(lua_State *L);

#endif
