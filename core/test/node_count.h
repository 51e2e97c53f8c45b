/* node_count: one counter of a node by its name. */
#ifndef PML_TEST_NODE_COUNT_H
#define PML_TEST_NODE_COUNT_H

#include "node/node.h"

#include <string.h>

typedef struct {
  const char *name;
  double value;
} node_counter;

static inline void node_on_count(const char *name, double value, void *ud) {
  node_counter *c = ud;
  if (strcmp(name, c->name) == 0) c->value = value;
}

/* -1: there is no counter of that name. */
static inline double node_count(pml_node *n, const char *name) {
  node_counter c = {name, -1};
  pml_node_counts(n, node_on_count, &c);
  return c.value;
}

#endif
