/* quiet: whether all that this server has begun and sent is finished, for a stop in order. For the
 * files of this folder; the questions themselves are in node/node.h. */
#ifndef PML_NODE_QUIET_H
#define PML_NODE_QUIET_H

#include "node/node.h"

/* Private to quiet.c. All zero to begin with. */
typedef struct {
  struct pml_flush *flush; /* the last one that was asked for; NULL: none is waited for */
} pml_quiet;

/* Nothing is called back from here on. */
void pml__quiet_clear(pml_node *n);

#endif
