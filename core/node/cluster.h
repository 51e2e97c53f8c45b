/* cluster: cluster channels as a server sees them that pushes to them: which frontends have members
 * of which channel (model/interest). node/cluster_members is the frontend's side.
 *
 * From its first use of a cluster channel on a server asks every frontend for its list, and each
 * again in every second whether that has changed, since records may be lost. A frontend whose list
 * is not known, because it came just now or a change was missed, gets every push. */
#ifndef PML_NODE_CLUSTER_H
#define PML_NODE_CLUSTER_H

#include "loop/loop.h"
#include "model/interest.h"
#include "node/counter.h"
#include "node/node.h"
#include "wire/envelope.h"

/* Private to cluster.c. All zero to begin with. */
typedef struct {
  pml_interest *interest; /* NULL: no cluster channel was used */
  pml_timer timer;
  uint32_t version; /* of the directory, when the frontends were looked at */
  uint64_t missed;
} pml_cluster;

extern const pml_counter pml__cluster_counters[];
void pml__cluster_clear(pml_node *n);

/* This server uses cluster channels from here on. */
void pml_cluster_use(pml_node *n);
/* Calls fn with the id of each other frontend that has, or may have, members of the channel; fn may
 * send. */
void pml_cluster_each(pml_node *n, pml_slice name, void (*fn)(const char *id, void *ud), void *ud);
/* Records of that server may have been lost: its list is asked for at once, unless it is as known.
 */
void pml__cluster_lost(pml_node *n, const char *id);
/* An INTEREST record, which is not a question. */
void pml__cluster_told(pml_node *n, const pml_envelope *env, pml_buf *body);
size_t pml__cluster_known(const pml_node *n); /* channels that have members somewhere else */

#endif
