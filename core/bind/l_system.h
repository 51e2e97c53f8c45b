/* l_system: what the command line asks of the system and Lua's library does not have. */
#ifndef PML_BIND_L_SYSTEM_H
#define PML_BIND_L_SYSTEM_H

#include <lua.h>

/* Sets exe, pid, stamp, kind, read_file, pause, execute, exec and make_folder on the module at the
 * top. */
void pml_open_system(lua_State *L);

#endif
