/* records: a record of another server becomes a forwarded message, a call or a push here. For the
 * files of this folder. */
#ifndef PML_NODE_RECORDS_H
#define PML_NODE_RECORDS_H

#include "node/node.h"

void pml__records_init(pml_node *n);
/* A record that is not an answer. All borrowed. */
void pml__records_take(pml_node *n, const pml_envelope *env, pml_buf *body, pml_buf *extra);

#endif
