/* l_guard: pomelua.core.room(), for functions of Lua's that call scripts from C and take much of
 * the C stack for that (string.gsub some 9 KiB a time): it raises before the stack is full, at
 * the line that calls. Lua counts its own stack only. */
#ifndef PML_BIND_L_GUARD_H
#define PML_BIND_L_GUARD_H

#include <lua.h>

/* Sets core.room on the module at the top. */
void pml_open_guard(lua_State *L);

#endif
