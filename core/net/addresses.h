/* addresses: what each client address takes of a set of connections: how many it has, how many of
 * them have not finished the handshake, and how fast it brings new ones. IPv6 clients are counted
 * by the first 64 bits of their address (pml_address_place).
 *
 * Memory is bounded by the connections and by PML__ADDRESSES_IDLE: an address without connections
 * is kept only until its share of connections per second is whole again, and of those that wait
 * for this the oldest goes first. Pure: times come from the caller. For the files of this folder.
 */
#ifndef PML_NET_ADDRESSES_H
#define PML_NET_ADDRESSES_H

#include "base/cidr.h"

#ifdef PML_TEST
#define PML__ADDRESSES_IDLE 4u
#else
#define PML__ADDRESSES_IDLE 16384u
#endif

typedef struct {
  uint32_t connections; /* at once; 0: any number. So are the others */
  uint32_t per_second;  /* new ones; as many may come together */
  uint32_t handshakes;  /* connections that have not finished theirs */
  int loopback;         /* 1: those of this machine are counted, too */
} pml_address_limits;

/* What an address may do. */
typedef enum {
  PML__ADDRESS_GOOD,
  PML__ADDRESS_CONNECTIONS,
  PML__ADDRESS_PER_SECOND,
  PML__ADDRESS_HANDSHAKES
} pml__address_answer;

typedef struct pml__addresses pml__addresses;
typedef struct pml__place pml__place; /* of one connection: its address */

pml__addresses *pml__addresses_new(void);    /* returns owned */
void pml__addresses_free(pml__addresses *t); /* harmless with NULL; every connection has left */
/* A connection of `a` comes, milliseconds now, which never go back. GOOD: *out is counted until
 * pml__address_left, and as one with an unfinished handshake until pml__address_finished. Any
 * other: nothing is counted. */
pml__address_answer pml__address_enter(pml__addresses *t, const pml_address_limits *limits,
                                       const pml_address *a, uint64_t now, pml__place **out);
void pml__address_finished(pml__place *p); /* once */
/* finished: pml__address_finished was called. */
void pml__address_left(pml__addresses *t, pml__place *p, int finished, uint64_t now);
/* A client of the address waits without a connection: on; it does not any more: off. It counts
 * where pml__address_has_room is asked, and nowhere else, so that it may come back. */
void pml__address_waits(pml__addresses *t, pml__place *p, int on);
/* Whether its connections and those that wait are within the limit. */
int pml__address_has_room(const pml__place *p, const pml_address_limits *limits);
/* Connections of the address that have not finished the handshake. */
uint32_t pml__address_handshakes(const pml__place *p);
size_t pml__addresses_count(const pml__addresses *t); /* addresses that are remembered */

#endif
