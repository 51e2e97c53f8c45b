/* deliver: the receiving end of a push: its frame is queued to sessions of this server. Each
 * session gets a reference to the frame; no script runs for a session but a broadcastFilter. For
 * the files of this folder. */
#ifndef PML_NODE_DELIVER_H
#define PML_NODE_DELIVER_H

#include "base/delivery.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to deliver.c. */
typedef struct {
  struct pml_resolver *resolver;
  uint32_t mark; /* number of the last push that left users out */
  uint64_t deliveries, fails;
} pml_deliver;

extern const pml_counter pml__deliver_counters[];
void pml__deliver_init(pml_node *n);
void pml__deliver_clear(pml_node *n);

/* Queues the frame to every session of the uids (base/uid list) that is not in `except`; writes
 * the uids without a session to fails (may be NULL). */
void pml__deliver_uids(pml_node *n, pml_buf *uids, pml_slice except, pml_buf *frame,
                       pml_delivery how, pml_writer *fails);
/* Queues the frame to all sessions. flags: PML_ENV_BINDED, PML_ENV_FILTER with param. */
void pml__deliver_all(pml_node *n, int flags, pml_slice param, pml_slice except, pml_buf *frame,
                      pml_delivery how);
/* Queues the frame to one session. 0, or PML_ENOENT, which is counted. */
int pml__deliver_session(pml_node *n, pml_id session, pml_buf *frame, pml_delivery how);
/* Queues the frame to sessions that the caller has found. */
void pml__deliver_sessions(pml_node *n, pml_session *const *v, size_t count, pml_slice except,
                           pml_buf *frame, pml_delivery how);
/* How the frame of a record is delivered. */
pml_delivery pml__deliver_how(const pml_envelope *env);
/* A PUSH, BROADCAST or SEND record of another server; acknowledges it. All borrowed. */
void pml__deliver_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *uids);
/* Counts a push that a frontend did not get. */
void pml__deliver_failed(pml_node *n);

#endif
