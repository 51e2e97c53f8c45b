/* receiver: what comes from the broker, on the library's one delivery thread. Records go to their
 * receivers from here, all else to the bus's thread. What others say in order with their records (a
 * list of servers above all) is taken in by the bus's thread before the records behind it are. */
#ifndef PML_BUS_RECEIVER_H
#define PML_BUS_RECEIVER_H

#include "bus/bus_private.h"
#include "bus/subjects.h"

typedef struct pml__receiver pml__receiver;

/* Returns owned. hub may be NULL, of a tool. All are borrowed. */
pml__receiver *pml__receiver_new(const pml__subjects *subjects, pml_hub *hub, pml_mailbox *commands,
                                 pml__bus_counters *counts, size_t list_bytes);
void pml__receiver_free(pml__receiver *r); /* takes r; no message comes any more */

/* The delivery thread: a message. Borrows all. */
void pml__receiver_message(pml__receiver *r, const char *subject, pml_slice data, int nobody);

/* The bus's thread has taken in a PML__BUS_CONTROL whose flag is set. */
void pml__receiver_taken(pml__receiver *r);
/* on 1: the delivery thread waits for nothing, until it is told 0: the bus's thread waits for it.
 */
void pml__receiver_release(pml__receiver *r, int on);
/* A server has gone, of this process or another. */
void pml__receiver_forget(pml__receiver *r, const char *id, uint64_t incarnation);
/* How many records did not come since it was asked, and of which pair of servers the last. */
uint64_t pml__receiver_missed(pml__receiver *r, char pair[2 * PML_SERVER_ID_MAX + 8]);

#endif
