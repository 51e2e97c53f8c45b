/* door: who may come in as a client of this server: the lists that scripts set, and the limits of
 * one address in the configuration (net/gate asks them). */
#ifndef PML_NODE_DOOR_H
#define PML_NODE_DOOR_H

#include "net/gate.h"
#include "node/node.h"

/* Private to door.c. */
typedef struct {
  pml_gate gate;
} pml_door;

typedef enum { PML_DOOR_ALLOW, PML_DOOR_DENY, PML_DOOR_TRUSTED } pml_door_list;

/* Takes the list, NULL: none, in the place of the one before. It is in force at once: clients whose
 * address may not come in any more end with the reason "address". */
void pml_door_set(pml_node *n, pml_door_list which, pml_cidr_list *list);
/* Takes o. For clients that come from here on. */
void pml_door_origins(pml_node *n, pml_origins *o);
/* Whether scripts read what HTTP clients say of themselves: pml_frontend_head. */
void pml_door_keep_heads(pml_node *n, int on);

/* For the files of this folder. The limits are those of the configuration at this moment. */
const pml_gate *pml__door_gate(pml_node *n);
void pml__door_clear(pml_node *n);

#endif
