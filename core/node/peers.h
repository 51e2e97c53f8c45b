/* peers: the other servers: which are there, which are about to stop, which were there before.
 * For the files of this folder; the questions of others are in node/node.h. */
#ifndef PML_NODE_PEERS_H
#define PML_NODE_PEERS_H

#include "node/node.h"

/* Private to peers.c. All zero to begin with. */
typedef struct {
  char **leaving; /* servers that stop, in the order of their stops */
  size_t nleaving;
  char **gone; /* servers that were there and are not; the last of them only */
  size_t ngone;
  int self; /* this one stops, and the others are told */
} pml_peers;

/* A server has come or gone. Returns 1 when it comes under an id that was there before. */
int pml__peers_changed(pml_node *n, const char *id, int up);
/* From here on servers that come are told that this one stops. */
void pml__peers_leave(pml_node *n);
void pml__peers_clear(pml_node *n);

#endif
