/* credits: which forwarded notifies were handled. A request is in flight until its answer; a notify
 * has none, so its server tells the frontend in a record of its own: at the end of a turn, one for
 * all notifies of one frontend that were handled in it. Until then they count as in flight of their
 * session, as requests do.
 *
 * The record: kind PML_ENV_CREDIT, msg_id the epoch, param a list of [session u64][count u32],
 * big-endian. A notify carries the epoch in its msg_id; 0: nobody wants a credit. When a server
 * goes, what it has not handled is lost: the frontend then counts all notifies as handled, of all
 * servers, and begins a new epoch; credits of an older one change nothing. It does the same when
 * records were lost on the bus: those of its own, of which the receiver tells it by a record of
 * epoch 0, and those of the other, which may be credits. */
#ifndef PML_NODE_CREDITS_H
#define PML_NODE_CREDITS_H

#include "loop/loop.h"
#include "node/node.h"
#include "wire/envelope.h"

/* Private to credits.c. */
typedef struct {
  pml_task flush;
  struct pml_credit_list *lists; /* of frontends for which some are collected */
  uint32_t epoch;
  uint64_t out; /* notifies in flight, of all sessions */
} pml_credits;

/* The frontend's side. */

/* A notify of s was sent to another server. */
void pml__credits_sent(pml_node *n, pml_session *s);
/* What a notify carries in msg_id. */
static inline uint32_t pml__credits_epoch(const pml_credits *c) { return c->epoch; }
/* A record of credits. Borrowed. */
void pml__credits_take(pml_node *n, const pml_envelope *env);
/* count notifies of a session were handled; the test kit's servers are told so. */
void pml_credits_handled(pml_node *n, pml_id session, uint32_t count);
/* A server is gone, or records between it and this one were lost. */
void pml__credits_lost(pml_node *n);
/* s is going: its notifies are nobody's any more. */
void pml__credits_forget(pml_node *n, pml_session *s);

/* The other side. */

/* Records of a server were lost on their way here: it is told, since a notify may be among them. */
void pml__credits_missed(pml_node *n, const char *from);
/* A notify that env has brought was handled, or dropped. Borrowed. */
void pml__credits_give(pml_node *n, const pml_envelope *env);

void pml__credits_init(pml_node *n);
void pml__credits_clear(pml_node *n);

#endif
