/* gate: who may come in to a set of connections: lists of addresses, trusted proxies, limits of one
 * address. The owner of the set fills a pml_gate, and may change it between two turns. */
#ifndef PML_NET_GATE_H
#define PML_NET_GATE_H

#include "base/cidr.h"
#include "net/addresses.h"
#include "net/conns.h"
#include "wire/origin.h"

/* Zeroed: everybody may come in. The lists are borrowed from its owner; NULL: not asked. */
struct pml_gate {
  pml_address_limits limits;
  pml_cidr_list *allow;   /* none but these */
  pml_cidr_list *deny;    /* none of these, also when they are allowed */
  pml_cidr_list *trusted; /* proxies: believed when they say for whom they come */
  pml_origins *origins;   /* of pages in browsers; a client that names none may come in */
  int keep_heads;         /* what HTTP clients say of themselves is kept: pml_conn_head */
};

/* Why an address may not come in. */
typedef enum {
  PML__GATE_OPEN,
  PML__GATE_DENIED,
  PML__GATE_CONNECTIONS,
  PML__GATE_PER_SECOND,
  PML__GATE_HANDSHAKES
} pml__gate_answer;

/* For the files of this folder. Whether anything is asked of an address. */
int pml__gate_asks(const pml_conns *s);
int pml__gate_trusts(const pml_conns *s, const pml_address *a);
/* Whether the lists keep an address out. */
int pml__gate_denies(const pml_conns *s, const pml_address *a);
/* A client of that address comes. What is not OPEN was counted, and a line of the log says so, one
 * for each address and minute. OPEN: *place is NULL, or counted until pml__gate_left. */
pml__gate_answer pml__gate_enter(pml_conns *s, const pml_address *a, pml__place **place);
void pml__gate_left(pml_conns *s, pml__place *place, int finished);
/* The address of a connection has room for its client beside those that wait; counted when not. */
int pml__gate_has_room(pml_conns *s, const pml__place *place);

#endif
