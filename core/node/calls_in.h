/* calls_in: calls of other servers: a handler of this server answers each by pml_node_reply
 * (node/node.h). */
#ifndef PML_NODE_CALLS_IN_H
#define PML_NODE_CALLS_IN_H

#include "node/counter.h"
#include "node/node.h"

/* Private to calls_in.c. */
typedef struct {
  pml_slots *open; /* calls that wait for their answer */
  uint64_t calls;
} pml_calls_in;

/* Calls fn with each call that scripts of another generation than the present one got. */
typedef void (*pml_calls_in_on_older_fn)(pml_id id, uint32_t generation, void *ud);
void pml_calls_in_older(pml_node *n, pml_calls_in_on_older_fn fn, void *ud);
/* Milliseconds until the caller gives up; -1: it was answered, or has given up. */
int64_t pml_calls_in_left(const pml_node *n, pml_id call);
/* Calls that a stop waits for. */
size_t pml_calls_in_open(const pml_node *n);

/* For the files of this folder. */
extern const pml_counter pml__calls_in_counters[];
void pml__calls_in_init(pml_node *n);
/* Forgets all calls, and frees what they used. */
void pml__calls_in_clear(pml_node *n);
/* A call record. All borrowed. */
void pml__calls_in_take(pml_node *n, const pml_envelope *env, pml_slice args);
/* Forgets the calls of a server: it is gone. */
void pml__calls_in_gone(pml_node *n, const char *server);

#endif
