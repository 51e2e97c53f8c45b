/* frontend: the clients of this server. A package of a client becomes a message, which goes to a
 * handler of this server (node/requests) or to another server (node/route). */
#ifndef PML_NODE_FRONTEND_H
#define PML_NODE_FRONTEND_H

#include "net/peer.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to frontend.c. */
typedef struct {
  pml_peer_host host;
  uint64_t bad_routes, ignored;
} pml_frontend;

/* A DATA body from the client of a session. 0, or PML_EPROTO: close it. */
int pml_frontend_data(pml_node *n, pml_session *s, pml_slice body);
/* Ends a session: from here on it is not found, not counted and not reached. Its connection ends
 * after what is queued, and the listeners of the session hear of it then. reason: as
 * pml_sink_close. */
void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason);
/* The end of a session's connection: tells the scripts, frees the session. */
void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why);
/* Answers on_handshake. PML_ENOENT: the session is gone. */
int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json);

/* For the files of this folder. */
extern const pml_counter pml__frontend_counters[];
void pml__frontend_init(pml_node *n);
/* The hooks and the owner for a listener; the host has the settings of this moment. */
pml_conn_hooks pml__frontend_hooks(void);
pml_peer_host *pml__frontend_host(pml_node *n);

#endif
