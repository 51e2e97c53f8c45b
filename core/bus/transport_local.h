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

/* Joins under id (1 to 63 bytes), on the loop's thread: every server joined is
 * told on a later turn, and this one is told of them, not of itself. Returns
 * owned, NULL when the id is taken, the system refuses or the loop is virtual.
 * ev is copied. The transport may be closed from inside its events; on_peer may
 * be NULL. A server can be sent to from the turn on_peer told of it, oneself at
 * once. PML_EFULL: 64 MB wait for the server; blocks count in full wherever
 * they are sent, answers do not count. */
pml_transport *pml_transport_local_join(pml_hub *h, pml_loop *l, const char *id,
                                        const pml_transport_events *ev);

/* For specs: how many records this transport has sent so far. */
uint64_t pml_transport_local_sent(const pml_transport *t);

#endif
