/* l_bus: the bus of a program as the scripts of the command line describe it, and servers of other
 * processes as they see them. */
#ifndef PML_BIND_L_BUS_H
#define PML_BIND_L_BUS_H

#include "bus/bus.h"

#include <lua.h>

/* Reads the table at the top: urls (list), cluster, user, password, creds, ca, heartbeat, timeout
 * (ms). Pushes what holds the list; the table and that keep what is borrowed. Raises on wrong
 * types. */
void pml_lua_bus_read(lua_State *L, pml_bus_options *o);

/* Pushes {id=, process=, host=, pid=, incarnation=, info= JSON}. */
void pml_lua_bus_push_server(lua_State *L, const pml_bus_server *s);
/* "up", "leaving" or "down". */
const char *pml_lua_bus_state(pml_bus_state state);

#endif
