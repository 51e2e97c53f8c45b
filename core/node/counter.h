/* counter: a number that a part of a node counts up. Each part describes its counters in a table
 * whose last name is NULL; pml_node_counts walks the tables. For the files of this folder. */
#ifndef PML_NODE_COUNTER_H
#define PML_NODE_COUNTER_H

#include <stddef.h>

typedef struct {
  const char *name; /* as scripts and tools know it */
  size_t at;        /* where the uint64_t is, from the beginning of the struct that holds it */
} pml_counter;

/* A counter at a field of pml_node; the file includes node/state.h. */
#define PML_NODE_COUNTER(name, field) \
  { name, offsetof(pml_node, field) }

#endif
