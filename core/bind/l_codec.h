/* l_codec: core.read_message and its sisters, for specs, tools and test clients
 * (protocol 1, protocol 2). */
#ifndef PML_BIND_L_CODEC_H
#define PML_BIND_L_CODEC_H

#include <lua.h>

/* Sets the functions on the module at the top. */
void pml_open_codec(lua_State *L);

#endif
