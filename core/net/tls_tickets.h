/* tls_tickets: the keys that seal TLS tickets, by which a client comes back without a whole
 * handshake. One ring of keys serves every context that is to take the others' tickets: that of a
 * renewed certificate those of the one before, one frontend of a program those of another.
 *
 * The newest key seals, for a day; the one before is accepted for another day, and what it sealed
 * is sealed anew. Keys are random, are never written anywhere and are wiped. For any thread. */
#ifndef PML_NET_TLS_TICKETS_H
#define PML_NET_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>

typedef struct pml_tls_tickets pml_tls_tickets;

#define PML_TLS_TICKET_MS 86400000u /* how long a key seals, and how long a ticket is good for */

pml_tls_tickets *pml_tls_tickets_new(void); /* returns owned */
pml_tls_tickets *pml_tls_tickets_ref(pml_tls_tickets *t);
void pml_tls_tickets_unref(pml_tls_tickets *t); /* NULL is allowed */

/* Tickets of ctx's connections are sealed by t from here on. Borrows t, which must live as long as
 * a connection of ctx: net/tls_context sees to it. Takes ctx's app data. */
void pml_tls_tickets_use(pml_tls_tickets *t, SSL_CTX *ctx);

/* The key that seals at that time of the monotonic clock: its name. A key that has sealed for a day
 * makes room for a new one. 0, or PML_EIO: there are no random bytes. */
int pml_tls_tickets_newest(pml_tls_tickets *t, uint64_t now_ms, uint8_t name[16]);
/* Whether a ticket by the key of that name is accepted then: 0: no; 1: yes; 2: yes, and the client
 * gets another one. */
int pml_tls_tickets_accepts(pml_tls_tickets *t, uint64_t now_ms, const uint8_t name[16]);

#endif
