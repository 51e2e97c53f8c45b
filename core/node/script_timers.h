/* script_timers: the timers of scripts. Each fires once or is cancelled. For the files of this
 * folder; pml_node_timer and pml_node_timer_cancel are in node/node.h. */
#ifndef PML_NODE_SCRIPT_TIMERS_H
#define PML_NODE_SCRIPT_TIMERS_H

#include "node/node.h"

/* Private to script_timers.c. */
typedef struct {
  pml_slots *running;
} pml_script_timers;

void pml__script_timers_init(pml_node *n);
/* Cancels all of them, and frees what they used. */
void pml__script_timers_clear(pml_node *n);
size_t pml__script_timers_count(const pml_node *n);

#endif
