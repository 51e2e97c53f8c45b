/* gather: the acknowledgements of a push. One gather belongs to one push and ends when every
 * frontend that was asked has answered or failed; the scripts hear of it by on_pushed at the end of
 * a turn. For the files of this folder. */
#ifndef PML_NODE_GATHER_H
#define PML_NODE_GATHER_H

#include "node/node.h"

/* Private to gather.c. */
typedef struct {
  pml_slots *open;
} pml_gathers;

typedef struct pml_gather pml_gather;

void pml__gather_init(pml_node *n);
/* Forgets all gathers, and frees what they used. */
void pml__gather_clear(pml_node *n);

/* kind: of the records, PML_ENV_PUSH, BROADCAST or CHANNEL. Borrowed until pml__gather_wait; NULL:
 * too many pushes wait. */
pml_gather *pml__gather_new(pml_node *n, int kind);
/* Sends a push to a frontend that is to acknowledge it. Shares all blocks; uids and except (each
 * may be NULL) name the users that count as not reached when the frontend fails. 0, or as
 * pml_rpc_call. */
int pml__gather_ask(pml_gather *g, const char *sid, pml_envelope *env, pml_buf *frame,
                    pml_buf *uids, pml_buf *except, uint32_t ms);
/* This server is one of the frontends: returns where it writes the uids without a session. */
pml_writer *pml__gather_here(pml_gather *g);
/* A frontend was not asked: none of the uids is reached; the list `except` was to be left out
 * anyway. */
void pml__gather_fail(pml_gather *g, pml_buf *uids, pml_slice except);
/* All frontends were asked. Returns the id of the push, with which on_pushed comes. */
pml_id pml__gather_wait(pml_gather *g);

#endif
