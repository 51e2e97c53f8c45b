/* vm: Lua states: one for the command line, one for each server's thread, with the
 * standard libraries, pomelua.core built in, and the framework's Lua files found
 * beside the program. */
#ifndef PML_SCRIPT_VM_H
#define PML_SCRIPT_VM_H

#include <lua.h>

/* path: package.path to begin with, NULL for LuaJIT's own. core: opens pomelua.core. Returns
 * owned (lua_close), NULL when there is no memory. */
lua_State *pml_vm_new(const char *path, lua_CFunction core);
/* package.path for a program at `exe`: <dir>/../lua (built), <dir>/../share/pomelua/lua
 * (installed) or <dir>/../share/lua/5.1 (a rock's tree). Returns owned (pml_free); NULL: none
 * of them is there. */
char *pml_vm_path(const char *exe);

#endif
