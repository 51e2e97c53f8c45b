/* l_program: core.run: the program as the command line starts it. */
#ifndef PML_BIND_L_PROGRAM_H
#define PML_BIND_L_PROGRAM_H

#include "bind/l_control.h"
#include "script/server_state.h"

#include <lua.h>

/* What all servers' states have in common: pml_program_options.ud points at it, or at what
 * begins with it. */
typedef struct {
  pml_lua_control control; /* first: the operator's functions find it */
  pml_server_states states;
} pml_lua_program;

/* Takes fields `servers` and `level` of the table at idx; sets how servers are loaded, and o->ud.
 * Pushes the userdata that holds o->servers; it and the table keep what is borrowed. Raises on
 * wrong types. */
void pml_lua_program_read(lua_State *L, int idx, lua_CFunction core, pml_lua_program *c,
                          pml_program_options *o);

/* Sets `run` on the module at the top. core: opens pomelua.core in the servers' states. */
void pml_open_program(lua_State *L, lua_CFunction core);

#endif
