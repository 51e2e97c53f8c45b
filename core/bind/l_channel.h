/* l_channel: the metatable "pomelua.channel". A Channel holds an id, never a pointer. */
#ifndef PML_BIND_L_CHANNEL_H
#define PML_BIND_L_CHANNEL_H

#include <lua.h>

/* Creates the metatable; sets channel_methods, the methods of Channels, on the module at the top:
 * Lua adds pushMessage there. */
void pml_open_channel(lua_State *L);

#endif
