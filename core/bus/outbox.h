/* outbox: records for servers of other processes that wait to go over the bus, on the bus's thread.
 *
 * Records that wait for one process travel in one message. Pairs of servers take turns in it, so
 * that a record waits behind few bytes of each other pair and not behind all that another pair has
 * sent. A record that is larger than a message is cut, and others travel between its parts. Each
 * pair numbers its records; one that is lost here has its number all the same, so that the receiver
 * notices. It knows no broker: messages go to a function. */
#ifndef PML_BUS_OUTBOX_H
#define PML_BUS_OUTBOX_H

#include "bus/lists.h"
#include "bus/transport_local.h"

typedef struct pml__outbox pml__outbox;
typedef struct pml__route pml__route;   /* to another process */
typedef struct pml__target pml__target; /* a server of it */

/* Sends a batch (wire/bus_record) to the process of a route. asks: an answer to one of its records
 * is waited for. 0; anything else: it is lost. Borrows message. */
typedef int (*pml__outbox_publish_fn)(void *route_ud, pml_slice message, int asks, void *ud);

typedef struct {
  uint64_t sent;   /* records that were handed to publish, which took them */
  uint64_t unsent; /* records that were dropped: the way to their server ended */
} pml__outbox_counts;

/* Returns owned. list_bytes: of the lists of uids that are remembered, so that they need not be
 * sent again (bus/lists). */
pml__outbox *pml__outbox_new(pml__outbox_publish_fn publish, void *ud, size_t list_bytes);
/* Takes o. Every route has been freed. */
void pml__outbox_free(pml__outbox *o);

/* Returns owned; it ends with pml__route_free, which takes its targets with it. */
pml__route *pml__route_new(pml__outbox *o, void *route_ud);
void pml__route_free(pml__route *r);
/* All that waits for its servers is lost. */
void pml__route_drop(pml__route *r);
/* Records whose `to` is m go by r from here on. m is borrowed until
 * pml__target_free. */
pml__target *pml__target_new(pml__route *r, pml_hub_member *m);
void pml__target_free(pml__target *t);

/* Takes a record. One whose server has no target is lost. */
void pml__outbox_put(pml__outbox *o, pml_hub_record *r);
/* Sends what waits, of messages of at most max_payload bytes, until a megabyte has gone: then it
 * returns 1 when there is more, else 0. */
int pml__outbox_turn(pml__outbox *o, size_t max_payload);
/* The server of that id of this process has ended: its numbers are forgotten when what it sent
 * has gone. */
void pml__outbox_forget(pml__outbox *o, const char *id);
const pml__outbox_counts *pml__outbox_counters(const pml__outbox *o);
const pml_lists_counts *pml__outbox_lists(const pml__outbox *o);

#endif
