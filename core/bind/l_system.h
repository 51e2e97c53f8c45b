/* l_system: functions of the operating system that the command line needs and that Lua's library
 * does not have: times, files, processes. */
#ifndef PML_BIND_L_SYSTEM_H
#define PML_BIND_L_SYSTEM_H

#include <lua.h>

/* Pushes the name of this machine, for people. */
void pml_lua_hostname(lua_State *L);

/* Sets these functions on the module at the top of the stack: exe, pid, hostname, user, now, time,
 * stamp, kind, read_file, pause, execute, exec and make_folder. */
void pml_open_system(lua_State *L);

#endif
