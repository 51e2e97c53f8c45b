/* script_lua: the ports node/script.h and host/stage.h, spoken by Lua functions: the entries. Each
 * call passes through script/script_call; ids are numbers, bodies strings, none is nil. */
#ifndef PML_SCRIPT_SCRIPT_LUA_H
#define PML_SCRIPT_SCRIPT_LUA_H

#include "script/handle.h"

/* Makes the entries of `lua` the scripts of its node and, if it has one, of its member. */
void pml_script_lua_set(pml_lua *lua);
/* The stage that calls its entries; valid while lua is. */
pml_stage pml_script_lua_stage(pml_lua *lua);
/* Takes the functions of the table at idx as entries; raises on an unknown name. */
void pml_script_lua_entries(lua_State *L, pml_lua *lua, int idx);

#endif
