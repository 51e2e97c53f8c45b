/* balance: which of the servers of one type gets the next message or call (protocol 16). It
 * allocates nothing and asks nobody: who is there is the directory's matter. */
#ifndef PML_NODE_BALANCE_H
#define PML_NODE_BALANCE_H

#include "node/directory.h"

typedef enum {
  PML_BALANCE_UID,      /* Pomelo's default: the |crc32(key)| mod n-th */
  PML_BALANCE_TURN,     /* one after the other */
  PML_BALANCE_WEIGHTED, /* the same, each as often as its weight says */
  PML_BALANCE_LEAST,    /* the one for whose answers the fewest calls and messages wait */
  PML_BALANCE_HASH, /* rendezvous hashing: a server that comes or goes moves its own keys only */
  PML_BALANCE_MODES
} pml_balance;

/* t: at least one server. key: a uid as a rule. waiting(id, ud): the calls that wait for a server;
 * PML_BALANCE_LEAST alone asks. Borrowed from t. */
const pml_server_info *pml_balance_pick(pml_balance how, pml_server_type *t, pml_slice key,
                                        size_t (*waiting)(const char *id, void *ud), void *ud);

#endif
