/* l_control: the operator's side of core.run. The main thread calls Lua functions, the hooks, with
 * the lines that the operator's tools send to the control socket, at SIGHUP, and when a single
 * server has started or ended. */
#ifndef PML_BIND_L_CONTROL_H
#define PML_BIND_L_CONTROL_H

#include "host/program.h"
#include "script/anchor.h"

#include <lua.h>

/* The first member of the struct that pml_program_options.ud points at. */
typedef struct {
  lua_State *L;
  pml_anchor hooks;   /* the table of hooks; nothing: the caller gave none */
  pml_anchor program; /* the userdata that each hook gets as its first argument */
} pml_lua_control;

/* Reads the field `control` of the table at idx, {path=, line=, gone=, told=, server=, hup=, wake=,
 * informed=, remote=, superseded=, ended=}, and sets o->control_path and o->control. Raises when a
 * value has the wrong type. */
void pml_lua_control_read(lua_State *L, int idx, pml_lua_control *c, pml_program_options *o);
/* The caller calls it when the program has ended. Methods of the program's userdata raise from then
 * on. */
void pml_lua_control_end(pml_lua_control *c);

/* Sets `ask` on the module at the top. */
void pml_open_control(lua_State *L);

#endif
