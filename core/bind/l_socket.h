/* l_socket: blocking TCP sockets with deadlines, for clients in specs, bots and tools. Never in
 * a server: its thread would wait. */
#ifndef PML_BIND_L_SOCKET_H
#define PML_BIND_L_SOCKET_H

#include <lua.h>

/* Sets `connect`, `poll`, `free_ports` and `clock` on the module at the top. */
void pml_open_socket(lua_State *L);

#endif
