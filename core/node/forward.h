/* forward: a client's message goes to another server, its body untouched, and the answer comes
 * back to the client. */
#ifndef PML_NODE_FORWARD_H
#define PML_NODE_FORWARD_H

#include "base/pool.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to forward.c. */
typedef struct {
  pml_pool pool;
  size_t open; /* requests that other servers have not answered */
  uint64_t sent, failed;
} pml_forwards;

/* Answers {"code":500} to each request that is at another server, after a call of fn with its
 * route. */
void pml_forward_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);

/* For the files of this folder. */
extern const pml_counter pml__forward_counters[];
void pml__forward_init(pml_node *n);
void pml__forward_clear(pml_node *n);
size_t pml__forward_count(const pml_node *n);
/* Sends a client's message to server `to`. 0: the client gets the answer, or {"code":500}.
 * Negative (PML_ENOENT, PML_EFULL, …): it was not sent, and the client has got nothing. */
int pml__forward_send(pml_node *n, pml_session *s, const pml_message_view *m, const char *to);
/* Counts a message that node/filtered has sent, or one of those that got no answer. */
void pml__forward_note_sent(pml_node *n);
void pml__forward_note_failed(pml_node *n);
/* A message was not sent: counts it and answers {"code":500}. */
void pml__forward_refuse(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route);
/* The same, with a line in the log that says why. */
void pml__forward_fail(pml_node *n, pml_session *s, const pml_message_view *m, const char *why);

#endif
