/* remotes: the processes that a bus has met and their servers, as members of the hub of this one;
 * on the bus's thread. Records for them wait in an outbox. A server cannot be sent to while there
 * is no link, or while its process is known not to be there. */
#ifndef PML_BUS_REMOTES_H
#define PML_BUS_REMOTES_H

#include "bus/discovery.h"
#include "bus/outbox.h"

typedef struct pml__remotes pml__remotes;

typedef struct {
  /* Sends a batch to a process. 0; anything else: it is lost. Borrows message. */
  int (*publish)(const char *process, pml_slice message, int asks, void *ud);
  /* A server has left: what is kept of what it sent is forgotten. */
  void (*forget)(const char *id, uint64_t incarnation, void *ud);
  void *ud;
  size_t list_bytes; /* of lists that are remembered, see bus/lists */
} pml__remotes_hooks;

/* Returns owned. hub is borrowed, NULL: a tool, which has no servers to be told. records (borrowed)
 * is the mailbox to which the hub posts what is sent to them. */
pml__remotes *pml__remotes_new(pml_hub *hub, pml_mailbox *records, const pml__remotes_hooks *hooks);
/* Takes r: all servers leave the hub. */
void pml__remotes_free(pml__remotes *r);

/* What discovery and the link say. */
void pml__remotes_server(pml__remotes *r, const pml_bus_server *s, pml_bus_state state);
void pml__remotes_process(pml__remotes *r, const char *process, pml_process_state state);
void pml__remotes_link(pml__remotes *r, int up);
/* A server of this process has left the hub. */
void pml__remotes_left(pml__remotes *r, const char *id);

void pml__remotes_put(pml__remotes *r, pml_hub_record *record); /* takes record */
/* As pml__outbox_turn. */
int pml__remotes_turn(pml__remotes *r, size_t max_payload);
const pml__outbox_counts *pml__remotes_counters(const pml__remotes *r);
const pml_lists_counts *pml__remotes_lists(const pml__remotes *r);

#endif
