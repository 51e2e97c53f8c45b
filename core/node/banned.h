/* banned: the networks whose clients this server refuses, as its program has told it. A node
 * without any has no list, and a handshake asks nothing. */
#ifndef PML_NODE_BANNED_H
#define PML_NODE_BANNED_H

#include "base/cidr.h"
#include "node/node.h"

typedef struct {
  pml_cidr net;
  pml_buf *reason; /* owned: what a KICK says */
  pml_buf *body;   /* owned: JSON, the answer to a handshake */
} pml_ban;

/* Private to banned.c. */
typedef struct {
  pml_cidr_list *list; /* NULL: no network is banned */
  pml_ban *v;
  uint32_t n;
} pml_banned;

/* Takes v, which pml_alloc has made, and what it owns; it replaces what was there. */
void pml_banned_set(pml_node *n, pml_ban *v, uint32_t count);
/* Frees such a v. */
void pml_bans_free(pml_ban *v, uint32_t count);
/* The ban of the network that holds an address, given as text; borrowed. NULL: it is not banned. */
const pml_ban *pml_banned_find(const pml_node *n, const char *address);

/* For the files of this folder. */
static inline int pml__banned_any(const pml_banned *b) { return b->list != NULL; }
void pml__banned_clear(pml_node *n);

#endif
