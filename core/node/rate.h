/* rate: what one session may send in a second: messages, each at the cost of its route, and bytes.
 * A message beyond it is refused before anything else is done for it, and a session that goes on is
 * to be closed. Both limits are token buckets (base/bucket).
 *
 * The rule for the end: what was refused is summed up as the time that it would have taken to come
 * in at the allowed rate. Above the time of `burst` at that rate the connection ends. The sum is 0
 * again once the session has kept to its rates so long that both buckets are full.
 *
 * A session has its two buckets in itself, and the sum beside it from the first refusal on. */
#ifndef PML_NODE_RATE_H
#define PML_NODE_RATE_H

#include "node/counter.h"
#include "node/node.h"

/* Private to rate.c. */
typedef struct {
  struct pml_route_cost *costs; /* by route */
  uint64_t over;
} pml_rate;

#define PML_RATE_COST_MAX 1000000u

/* The cost of one message of a route; 1 for routes that have none set. Copies route. */
void pml_rate_cost(pml_node *n, pml_slice route, uint32_t cost);

/* For the files of this folder. */
extern const pml_counter pml__rate_counters[];
enum { PML_RATE_GOOD, PML_RATE_OVER, PML_RATE_END };
/* A message of `bytes` bytes has come. OVER: it is refused; END: so is its connection. */
int pml__rate_charge(pml_node *n, pml_session *s, pml_slice route, size_t bytes);
/* The same for what has no route. */
int pml__rate_noise(pml_node *n, pml_session *s, unsigned messages, size_t bytes);
void pml__rate_clear(pml_node *n);

#endif
