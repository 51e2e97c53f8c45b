/* push: the sending end of a push. A push is encoded once into one frame. Its receivers are grouped
 * by frontend, and each frontend gets one record, which holds references to the frame and to the
 * group's list of uids (protocol 17.3). node/deliver is the receiving end. */
#ifndef PML_NODE_PUSH_H
#define PML_NODE_PUSH_H

#include "base/delivery.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to push.c. All zero to begin with. */
typedef struct {
  uint64_t pushes, records;
} pml_push;

/* What is pushed, and how. */
typedef struct {
  pml_buf *frame;   /* shared */
  pml_slice except; /* base/uid list of the users who do not get it; borrowed */
  pml_delivery how;
  uint32_t ms; /* 0: no acknowledgement is wanted. Otherwise on_pushed comes later, once, with the
                  number of the push, at the latest after ms */
} pml_push_what;

/* Pushes to a channel. *push gets the number; 0: nothing comes. 0, or PML_EFULL: too many pushes
 * wait to be acknowledged. */
int pml_push_channel(pml_node *n, pml_channel *c, const pml_push_what *what, pml_id *push);

/* The same to a list of (uid, frontend id), which is grouped here. */
typedef struct {
  pml_uid uid;
  const char *sid;
} pml_push_target;
int pml_push_uids(pml_node *n, const pml_push_target *to, size_t count, const pml_push_what *what,
                  pml_id *push);

/* To all sessions (or all bound ones) of the frontends in sids. */
typedef struct {
  const char *const *sids;
  size_t count;
  int binded;
  int filtered;    /* asks the frontends' broadcastFilter, with param */
  pml_slice param; /* JSON text */
} pml_push_broadcast_to;
int pml_push_broadcast(pml_node *n, const pml_push_broadcast_to *to, const pml_push_what *what,
                       pml_id *push);

/* To the members of a cluster channel, wherever they are. */
int pml_push_cluster(pml_node *n, pml_slice name, const pml_push_what *what, pml_id *push);

/* To one session of frontend sid, bound or not; `except` and ms mean nothing. 0: the frontend is
 * there, and it gets the frame; what it does when the session has ended is to count it. PML_ENOENT:
 * there is no such server, or none of that incarnation (0: any), or this is the frontend and it has
 * no such session. */
int pml_push_session(pml_node *n, const char *sid, uint64_t incarnation, pml_id session,
                     const pml_push_what *what);

/* For the files of this folder. */
extern const pml_counter pml__push_counters[];

#endif
