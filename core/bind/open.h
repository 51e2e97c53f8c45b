/* open: the Lua C module pomelua.core, as a rock installs it and as the program
 * has it built in. */
#ifndef PML_BIND_OPEN_H
#define PML_BIND_OPEN_H

#include <lua.h>

__attribute__((visibility("default"))) int luaopen_pomelua_core(lua_State *L);

#endif
