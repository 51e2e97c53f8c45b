/* log_limit: the limit on a server's log lines that others can cause. A timer of the server's loop
 * writes how many lines were left out. For the files of this folder. */
#ifndef PML_NODE_LOG_LIMIT_H
#define PML_NODE_LOG_LIMIT_H

#include "loop/timers.h"
#include "node/node.h"

/* Private to log_limit.c. */
typedef struct {
  pml_timer timer; /* runs while there are lines to report */
} pml_log_limit;

void pml__log_limit_init(pml_node *n);
/* Reports all that was left out so far. */
void pml__log_limit_flush(pml_node *n);
void pml__log_limit_clear(pml_node *n);

#endif
