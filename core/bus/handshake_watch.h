/* handshake_watch: ends a connection to a broker whose TLS handshake takes longer than 5 s.
 *
 * libnats waits for the end of a handshake without a deadline, and has no call that ends it: with a
 * broker that accepts a connection and stands still then, the thread that connects would stand for
 * ever, and with it the start and the stop of the program. So while there is no link, a thread
 * looks once a second which sockets of the process are connected to the address of a broker, and
 * shuts those down that are the same for too long. */
#ifndef PML_BUS_HANDSHAKE_WATCH_H
#define PML_BUS_HANDSHAKE_WATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct pml__handshake_watch pml__handshake_watch;

/* Returns owned, NULL when the system has no room for the thread. The urls are copied; `ms` is how
 * long a handshake may take. It does not look yet. */
pml__handshake_watch *pml__handshake_watch_new(const char *const *urls, size_t n, uint32_t ms);
/* Any thread: whether there is no link at this moment. */
void pml__handshake_watch_look(pml__handshake_watch *w, int look);
/* Any thread: the program ends. From here on nothing that is looked at is waited for. */
void pml__handshake_watch_cut(pml__handshake_watch *w);
/* How many connections it has ended. Any thread. */
uint32_t pml__handshake_watch_ended(pml__handshake_watch *w);
/* Takes w; NULL is allowed. Waits for the thread. */
void pml__handshake_watch_free(pml__handshake_watch *w);

#endif
