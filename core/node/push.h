/* push: the sending end of a push. A push is encoded once into one frame. Its receivers are grouped
 * by frontend, and each frontend gets one record, which holds references to the frame and to the
 * group's list of uids (protocol 17.3). node/deliver is the receiving end. */
#ifndef PML_NODE_PUSH_H
#define PML_NODE_PUSH_H

#include "node/counter.h"
#include "node/node.h"

/* Private to push.c. All zero to begin with. */
typedef struct {
  uint64_t pushes, records;
} pml_push;

/* Pushes a frame (shared) to a channel, without the uids in `except` (base/uid list).
 * ms 0: no acknowledgement, *push 0. Otherwise on_pushed comes later, once, with
 * the number in *push, at the latest after ms. */
int pml_push_channel(pml_node *n, pml_channel *c, pml_buf *frame, pml_slice except, uint32_t ms,
                     pml_id *push);

/* The same to a list of (uid, frontend id), which is grouped here. */
typedef struct {
  pml_uid uid;
  const char *sid;
} pml_push_target;
int pml_push_uids(pml_node *n, const pml_push_target *to, size_t count, pml_buf *frame,
                  pml_slice except, uint32_t ms, pml_id *push);

/* To all sessions (or all bound ones) of the frontends in sids. */
typedef struct {
  const char *const *sids;
  size_t count;
  int binded;
  int filtered;    /* asks the frontends' broadcastFilter, with param */
  pml_slice param; /* JSON text */
  pml_slice except;
} pml_push_broadcast_to;
int pml_push_broadcast(pml_node *n, const pml_push_broadcast_to *to, pml_buf *frame, uint32_t ms,
                       pml_id *push);

/* For the files of this folder. */
extern const pml_counter pml__push_counters[];

#endif
