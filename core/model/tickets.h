/* tickets: random secrets by which somebody is known again, and who that is. As text a ticket is 32
 * hex digits, 128 random bits. A text that is compared with one takes a time that tells nothing of
 * it: it is looked up by a hash under a key of the table, and compared as a whole. */
#ifndef PML_MODEL_TICKETS_H
#define PML_MODEL_TICKETS_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/table.h"

#define PML_TICKET_BYTES 16u
#define PML_TICKET_TEXT (2 * PML_TICKET_BYTES)

/* Private. */
typedef struct {
  pml_table table;
  pml_hash_key key;
} pml_tickets;

/* One of somebody, who owns it. Zeroed: nothing. */
typedef struct {
  pml_link link;                   /* private */
  void *of;                        /* read-only: whose it is */
  uint8_t bytes[PML_TICKET_BYTES]; /* read-only */
  uint8_t there;                   /* private: it is in the table */
} pml_ticket;

/* A new one. 0, or PML_EIO: the system gives no random bytes. */
int pml_ticket_make(uint8_t bytes[PML_TICKET_BYTES], char text[PML_TICKET_TEXT + 1]);

void pml_tickets_init(pml_tickets *t);
void pml_tickets_fini(pml_tickets *t); /* the tickets are left alone */
/* k, which stays where it is, stands for `of` by these bytes; by those that it had it is not found
 * any more. */
void pml_tickets_put(pml_tickets *t, pml_ticket *k, void *of,
                     const uint8_t bytes[PML_TICKET_BYTES]);
/* The same with the bytes of `from`, which is found no more. */
void pml_tickets_move(pml_tickets *t, pml_ticket *k, pml_ticket *from);
void pml_tickets_drop(pml_tickets *t, pml_ticket *k); /* harmless when it is not there */
/* The ticket of a text, which may be any bytes; NULL: there is none. */
const pml_ticket *pml_tickets_find(const pml_tickets *t, pml_slice text);

#endif
