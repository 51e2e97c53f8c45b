/* l_push: the pushes of scripts: Pomelo's overloads, its error texts, and the options
 * (protocol 17). A function of Lua, node:onPush, hears of each push that has a callback or was not
 * sent.
 *
 * Each of the first three returns 0 values. The arguments stand behind the object at index 1. They
 * raise when the callback is no function, when an option has a wrong value, or the node is closed.
 */
#ifndef PML_BIND_L_PUSH_H
#define PML_BIND_L_PUSH_H

#include "script/handle.h"

/* (route, msg, opts, cb) or (msg, opts, cb), to the members of a channel. */
int pml_lua_push_message(lua_State *L, pml_lua *lua, pml_id channel);
/* The same to the members of a cluster channel; name is kept alive by the object at index 1. */
int pml_lua_push_cluster(lua_State *L, pml_lua *lua, pml_slice name);
/* (route, msg, uids, opts, cb) or (msg, uids, opts, cb). */
int pml_lua_push_by_uids(lua_State *L, pml_lua *lua);
/* (stype, route, msg, opts, cb) or (stype, msg, opts, cb). */
int pml_lua_broadcast(lua_State *L, pml_lua *lua);

#endif
