/* l_protos: core.protos, definitions of protobuf messages as scripts hold them, and messages by
 * them for clients and specs (protocol 11). */
#ifndef PML_BIND_L_PROTOS_H
#define PML_BIND_L_PROTOS_H

#include "wire/proto.h"

#include <lua.h>

/* Sets protos on the module at the top. */
void pml_open_protos(lua_State *L);
/* The definitions at idx, borrowed from their userdata; raises on anything else. */
pml_protos *pml_lua_protos(lua_State *L, int idx);

#endif
