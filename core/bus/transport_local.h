/* transport_local: servers that are threads of one process. A hub knows their
 * mailboxes; records travel as references. Sends of one turn to one server are
 * posted together at the end of the turn: one lock and one wake-up. */
#ifndef PML_BUS_TRANSPORT_LOCAL_H
#define PML_BUS_TRANSPORT_LOCAL_H

#include "bus/transport.h"
#include "loop/loop.h"

typedef struct pml_hub pml_hub;

pml_hub *pml_hub_new(void);     /* returns owned (one reference) */
void pml_hub_unref(pml_hub *h); /* any thread; transports hold references of their own */

/* Joins under id, on the loop's thread: every server that has joined hears of it on a later turn,
 * and this server hears of them, not of itself. 0, with the transport (owned) in *out. PML_EEXIST:
 * the id is taken; PML_EINVAL: the id has no bytes or more than PML_SERVER_ID_MAX, or the loop is
 * virtual; PML_EIO: the system refuses. ev is copied. The transport may be closed from inside its
 * events; on_peer may be NULL. A server can be sent to from the turn in which on_peer named it,
 * and the server itself at once. PML_EFULL: 64 MB wait for the server; blocks count in full
 * wherever they are sent, answers do not count. */
int pml_transport_local_join(pml_hub *h, pml_loop *l, const char *id,
                             const pml_transport_events *ev, pml_transport **out);

/* For specs: how many records this transport has sent so far. */
uint64_t pml_transport_local_sent(const pml_transport *t);

#endif
