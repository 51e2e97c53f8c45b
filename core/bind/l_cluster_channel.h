/* l_cluster_channel: the metatable "pomelua.clusterChannel": a channel whose members live at their
 * frontends, seen from every server. It has the methods of a Channel. pushMessage is here; the
 * others ask frontends and wait: they are in Lua (pomelua.channel.cluster). */
#ifndef PML_BIND_L_CLUSTER_CHANNEL_H
#define PML_BIND_L_CLUSTER_CHANNEL_H

#include "script/handle.h"

/* Creates the metatable; sets cluster_channel_methods, the table of its methods, and
 * cluster_channel on the module at the top. */
void pml_open_cluster_channel(lua_State *L);
/* Pushes the one handle of the channel of that name. Raises when the name is none for a cluster
 * channel. call: whose argument it is, for the message. */
void pml_lua_push_cluster_channel(lua_State *L, pml_lua *lua, const char *call, pml_slice name);

#endif
