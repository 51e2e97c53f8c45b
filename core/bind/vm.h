/* vm: Lua states: one for the command line, one for each server's thread, with the
 * standard libraries, pomelua.core built in, and the framework's Lua files found
 * beside the program. */
#ifndef PML_BIND_VM_H
#define PML_BIND_VM_H

#include <lua.h>

/* path: package.path to begin with, NULL for LuaJIT's own. Returns owned (lua_close), NULL
 * when there is no memory. */
lua_State *pml_vm_new(const char *path);
/* package.path for a program at `exe`: <dir>/../lua (built) or <dir>/../share/pomelua/lua
 * (installed) before LuaJIT's own. Returns owned (pml_free); NULL: neither is there. */
char *pml_vm_path(const char *exe);

#endif
