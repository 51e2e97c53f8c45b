/* frontend: clients of this server: a package becomes a message for a handler
 * here, or is forwarded, body bytes untouched, to another server. */
#ifndef PML_NODE_FRONTEND_H
#define PML_NODE_FRONTEND_H

#include "net/peer.h"
#include "node/node.h"

/* The host of this node's peers. */
void pml_frontend_init(pml_node *n);
pml_conn_hooks pml_frontend_hooks(void); /* for its listener */

/* A DATA body from the client of a session. 0, or PML_EPROTO: close it. */
int pml_frontend_data(pml_node *n, pml_session *s, pml_slice body);
/* Ends a session: nobody finds, counts or reaches it from here on; its connection ends after
 * what is queued, and its listeners are told then. reason: as pml_sink_close. */
void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason);
/* The end of a session's connection: tells the scripts, frees the session. */
void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why);

/* Answers on_route: to NULL (or one that is not there): the client gets {"code":500}.
 * 0; PML_ECLOSED: no such pending message; PML_ENOENT: no such server. */
int pml_frontend_forward(pml_node *n, pml_id pending, const char *to);
/* Answers 500 to what is at other servers; fn comes before with the route of each. */
void pml_forwards_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);
/* Whether messages for a server type ask the scripts; "default": for every type. */
void pml_frontend_set_routed(pml_node *n, const char *type, int on);
/* Answers on_handshake. PML_ENOENT: the session is gone. */
int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json);
/* Forgets pending messages, at the end. */
void pml_frontend_clear(pml_node *n);

#endif
