/* l_door: core.network, core.origin; the methods of the node are in node_methods.h. */
#ifndef PML_BIND_L_DOOR_H
#define PML_BIND_L_DOOR_H

#include <lua.h>

void pml_open_door(lua_State *L);

#endif
