/* node_methods: the methods of the node, one table per file l_*.c; open.c puts them together. They
 * return nil, message, NAME on expected failures and raise on wrong types. */
#ifndef PML_BIND_NODE_METHODS_H
#define PML_BIND_NODE_METHODS_H

#include <lauxlib.h>

/* Each ends with a NULL name. */
extern const luaL_Reg
  pml_node_methods[]; /* l_node: identity, configuration, directory, log, listening, counts */
extern const luaL_Reg pml_member_methods[];  /* l_member: what a server reports to its program */
extern const luaL_Reg pml_timer_methods[];   /* l_timer: one-shot timers */
extern const luaL_Reg pml_request_methods[]; /* l_request: client requests: answers, forwarding,
                                                handshakes, generations */
extern const luaL_Reg pml_rpc_methods[];     /* l_rpc: calls between servers */
extern const luaL_Reg pml_session_methods[]; /* l_session: a frontend's sessions */
extern const luaL_Reg pml_channel_methods[]; /* l_channel: channels and the three kinds of push */
extern const luaL_Reg pml_channel_service_methods[]; /* l_channel_service: channelService */
extern const luaL_Reg pml_watch_methods[];           /* l_watch: folders in which files change */
extern const luaL_Reg pml_check_methods[]; /* l_check: texts that another process parses */
/* Those of a virtual node only; a node of a program raises in them. */
extern const luaL_Reg pml_virtual_methods[];        /* l_virtual: time, log lines, the end */
extern const luaL_Reg pml_virtual_client_methods[]; /* virtual_client: what clients do and get */
extern const luaL_Reg pml_virtual_bus_methods[];    /* virtual_bus: records of other servers */

#endif
