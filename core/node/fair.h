/* fair: in which order the forwarded messages of many sessions are handled. Of one session a few
 * are handled as they come in one turn; what is more of it waits in a queue of its own, and the
 * sessions with queues go round, a message each, for as much of a turn as is left for them. So a
 * session that sends as much as it may has its place behind the others, whose messages are handled
 * when they arrive. The messages of one session keep their order.
 *
 * What may wait of one session is bounded, and what may wait of all; above it a request is refused
 * and a notify dropped. A session without a queue costs nothing. */
#ifndef PML_NODE_FAIR_H
#define PML_NODE_FAIR_H

#include "base/list.h"
#include "loop/loop.h"
#include "node/counter.h"
#include "node/node.h"
#include "wire/envelope.h"

#define PML_FAIR_SHARE 4u               /* messages of a session that are handled as they come */
#define PML_FAIR_SESSION_MAX (4u << 20) /* bytes that wait of one session */
#define PML_FAIR_MAX (64u << 20)        /* bytes that wait of all of them */
#define PML_FAIR_NS 1000000u            /* of a turn, for those that wait */

typedef void (*pml_fair_run_fn)(pml_node *n, const pml_envelope *env);

/* Private to fair.c. */
typedef struct {
  pml_task task;
  pml_list round;                 /* of queues, in the order of their turns */
  struct pml_fair_queue *queues;  /* by session */
  struct pml_fair_share *shares;  /* NULL until a message has come */
  pml_fair_run_fn handle, refuse; /* node/records */
  size_t bytes;
  uint64_t waiting, queued, over;
} pml_fair;

/* For the files of this folder. */
extern const pml_counter pml__fair_counters[];
void pml__fair_init(pml_node *n, pml_fair_run_fn handle, pml_fair_run_fn refuse);
/* Drops all that waits. */
void pml__fair_clear(pml_node *n);
/* A forwarded message: handled now, later, or refused. Borrowed. */
void pml__fair_take(pml_node *n, const pml_envelope *env);
/* Handles all that waits, now. */
void pml__fair_finish(pml_node *n);
/* Drops what waits of the sessions of a server that is gone. */
void pml__fair_gone(pml_node *n, const char *id, uint64_t incarnation);
uint64_t pml__fair_count(const pml_node *n); /* messages that wait */

#endif
