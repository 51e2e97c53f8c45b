/* l_control: the operator's side of core.run: lines of the control socket, SIGHUP and
 * the fate of single servers reach Lua functions on the main thread. */
#ifndef PML_BIND_L_CONTROL_H
#define PML_BIND_L_CONTROL_H

#include "host/program.h"

#include <lua.h>

/* The first member of what pml_program_options.ud points at. */
typedef struct {
  lua_State *L;
  int hooks;   /* registry reference: the table of functions; LUA_NOREF: none */
  int program; /* registry reference: the userdata that they get first */
} pml_lua_control;

/* Takes field `control` of the table at idx: {path=, line=, gone=, told=, server=, hup=};
 * sets o->control_path and o->control. Raises on wrong types. */
void pml_lua_control_read(lua_State *L, int idx, pml_lua_control *c, pml_program_options *o);
/* After the program: its userdata is of no use any more. */
void pml_lua_control_end(pml_lua_control *c);

/* Sets `ask` on the module at the top. */
void pml_open_control(lua_State *L);

#endif
