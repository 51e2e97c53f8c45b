/* l_bus_tool: core.bus, a tool's own way to the bus of a cluster, without a program. */
#ifndef PML_BIND_L_BUS_TOOL_H
#define PML_BIND_L_BUS_TOOL_H

#include <lua.h>

/* Sets `bus` on the module at the top. */
void pml_open_bus_tool(lua_State *L);

#endif
