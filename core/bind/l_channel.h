/* l_channel: the metatable "pomelua.channel". A Channel holds an id, never a pointer. */
#ifndef PML_BIND_L_CHANNEL_H
#define PML_BIND_L_CHANNEL_H

#include "model/channel.h"
#include "script/handle.h"

/* Creates the metatable; sets channel_methods, the table of a Channel's methods, on the module at
 * the top. */
void pml_open_channel(lua_State *L);
/* Pushes the one handle of a channel of that node. */
void pml_lua_push_channel(lua_State *L, pml_lua *lua, const pml_channel *c);
/* The same of a channel that may have gone. */
void pml_lua_push_channel_of(lua_State *L, pml_lua *lua, pml_id id, pml_slice name);

#endif
