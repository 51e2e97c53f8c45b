/* script_lua: the ports node/script.h and host/stage.h, spoken by Lua functions. Each call passes
 * through script/call; ids are numbers, bodies strings, none is nil. The
 * functions are declared in script/lua_node.h, which the bindings share. */
#ifndef PML_SCRIPT_SCRIPT_LUA_H
#define PML_SCRIPT_SCRIPT_LUA_H

#include "node/script.h"

#endif
