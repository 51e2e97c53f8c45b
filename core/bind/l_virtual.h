/* l_virtual: core.node, the test kit's virtual nodes. */
#ifndef PML_BIND_L_VIRTUAL_H
#define PML_BIND_L_VIRTUAL_H

#include <lua.h>

/* Sets `node` on the module at the top; after pml_open_node. */
void pml_open_virtual(lua_State *L);

#endif
