/* membership: what happens to channels, for scripts that want to hear of it. A change is kept when
 * it happens and told at the end of the turn, in order, so that no script runs in the middle of a
 * change. Nothing is kept as long as nobody watches. For the files of this folder; the functions
 * for scripts are in node/node.h. */
#ifndef PML_NODE_MEMBERSHIP_H
#define PML_NODE_MEMBERSHIP_H

#include "base/list.h"
#include "loop/loop.h"
#include "node/node.h"

/* Private to membership.c. */
typedef struct {
  int told;         /* scripts hear of every change */
  int remove_empty; /* a channel whose last member has left is destroyed */
  int restoring;    /* what happens now comes from a store */
  pml_list queue;
  pml_list left; /* what has been told of members that have left; see remove_empty */
  pml_task task;
} pml_membership;

void pml__membership_init(pml_node *n);
/* Forgets what was not told. */
void pml__membership_clear(pml_node *n);
/* A channel with a mark is pushed to. */
void pml__membership_pushed(pml_node *n, pml_channel *c);

#endif
