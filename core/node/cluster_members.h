/* cluster_members: the frontend's side of cluster channels: which of its sessions are members of
 * which (model/rosters), and who wants to know where there are any. node/cluster is the other side.
 *
 * A server that pushes to cluster channels asks for the list of channels that have members here,
 * and is told of every change from then on. Changes are counted, and what a server knows is asked
 * for again and again, so that a record that was lost is noticed. What has changed in a turn is
 * told at its end; that a channel has its first member, before its join is answered. */
#ifndef PML_NODE_CLUSTER_MEMBERS_H
#define PML_NODE_CLUSTER_MEMBERS_H

#include "base/delivery.h"
#include "loop/loop.h"
#include "model/rosters.h"
#include "node/counter.h"
#include "node/node.h"
#include "wire/envelope.h"

/* Private to cluster_members.c. */
typedef struct {
  pml_rosters *rosters;
  struct pml_audience *audience; /* servers that are told of changes */
  size_t naudience;
  uint64_t seq;       /* the last change that was told */
  pml_writer changes; /* what will be told as the next one */
  pml_task task;
  uint64_t joins, leaves, full, lists;
} pml_cluster_members;

extern const pml_counter pml__cluster_members_counters[];
void pml__cluster_members_init(pml_node *n);
void pml__cluster_members_clear(pml_node *n);

/* Who joins or leaves: a session, or (0) all sessions of the uid here. */
typedef struct {
  pml_uid uid; /* s NULL with session 0, to leave: everybody */
  pml_id session;
} pml_cluster_who;

/* They join. *joined gets how many were none before. 0; PML_ENOENT: there is no such session, or it
 * has another uid; PML_EFULL: there are `clusterChannels` channels here; PML_ETOOBIG: the session
 * is in `clusterPerSession` channels; PML_EINVAL: the name is above `clusterNameSize`. */
int pml_cluster_join(pml_node *n, pml_slice name, const pml_cluster_who *who, size_t *joined);
/* They leave. How many were members. */
size_t pml_cluster_leave(pml_node *n, pml_slice name, const pml_cluster_who *who);
/* How many users are members here; uids: appended (base/uid), each once. NULL: only counted. */
size_t pml_cluster_members_here(pml_node *n, pml_slice name, pml_writer *uids);
/* The uid as the member has it that is here; *out borrows. 0: it is none. */
int pml_cluster_member_here(pml_node *n, pml_slice name, pml_uid uid, pml_uid *out);

/* A push to the members here. */
void pml__cluster_deliver(pml_node *n, pml_slice name, pml_slice except, pml_buf *frame,
                          pml_delivery how);
/* A CHANNEL record of another server; acknowledges it. All borrowed. */
void pml__cluster_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *except);
/* A server asks which channels have members here; seq: the change that it knows of. */
void pml__cluster_asked(pml_node *n, const pml_envelope *env, uint64_t seq);

size_t pml__cluster_members_channels(const pml_node *n);
size_t pml__cluster_members_count(const pml_node *n);

#endif
