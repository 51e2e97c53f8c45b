/* node_methods: the methods of the node, one table per file l_*.c; open.c puts them together. They
 * return nil, message, NAME on expected failures and raise on wrong types. */
#ifndef PML_BIND_NODE_METHODS_H
#define PML_BIND_NODE_METHODS_H

#include <lauxlib.h>

/* Each ends with a NULL name. */
extern const luaL_Reg
  pml_node_methods[]; /* l_node: identity, configuration, directory, listening, counts */
extern const luaL_Reg pml_log_methods[];     /* l_log: its log, and categories */
extern const luaL_Reg pml_member_methods[];  /* l_member: what a server reports to its program */
extern const luaL_Reg pml_timer_methods[];   /* l_timer: one-shot timers */
extern const luaL_Reg pml_request_methods[]; /* l_request: client requests: answers, forwarding,
                                                handshakes, generations */
extern const luaL_Reg pml_rpc_methods[];     /* l_rpc: calls between servers */
extern const luaL_Reg pml_session_methods[]; /* l_session: a frontend's sessions */
extern const luaL_Reg
  pml_membership_methods[];               /* l_membership: changes of channels, restored ones */
extern const luaL_Reg pml_push_methods[]; /* l_push: a push to one session; who hears of pushes */
extern const luaL_Reg pml_channel_service_methods[]; /* l_channel_service: channelService */
extern const luaL_Reg pml_cluster_channel_methods[]; /* l_cluster_channel: their members here */
extern const luaL_Reg pml_watch_methods[];           /* l_watch: folders in which files change */
extern const luaL_Reg pml_forms_methods[];      /* l_forms: in which form clients get messages */
extern const luaL_Reg pml_check_methods[];      /* l_check: texts that another process parses */
extern const luaL_Reg pml_dictionary_methods[]; /* l_dictionary: the route dictionary */
extern const luaL_Reg pml_tls_methods[];        /* l_tls: certificates of the client port */
extern const luaL_Reg pml_banned_methods[];   /* l_banned: addresses and sessions that are banned */
extern const luaL_Reg pml_door_methods[];     /* l_door: who may come in */
extern const luaL_Reg pml_password_methods[]; /* l_password: hashes of passwords */
extern const luaL_Reg pml_resume_methods[];   /* l_resume: clients that come back */
extern const luaL_Reg pml_http_methods[];     /* l_http: HTTP requests for a game's routes */
/* Those of a virtual node only; a node of a program raises in them. */
extern const luaL_Reg pml_virtual_methods[];        /* l_virtual: time, log lines, the end */
extern const luaL_Reg pml_virtual_client_methods[]; /* virtual_client: what clients do and get */
extern const luaL_Reg pml_virtual_bus_methods[];    /* virtual_bus: records of other servers */

#endif
