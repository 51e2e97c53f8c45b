/* refs: batches reference counting. A fan-out takes many references to one block with one atomic
 * addition, and returns them with one atomic subtraction at pml_refs_settle, which the owner calls
 * at the end of the work of a turn: a block lives that much longer. Belongs to one thread. */
#ifndef PML_BASE_REFS_H
#define PML_BASE_REFS_H

#include "base/buf.h"

#define PML_REFS_SPENT 16u

/* Zeroed is a valid start. All private. */
typedef struct {
  struct {
    pml_buf *b; /* means something while n is not 0 */
    uint32_t n;
  } ahead, spent[PML_REFS_SPENT];
} pml_refs;

/* Returns b with one reference more; NULL gives NULL. */
pml_buf *pml_refs_take(pml_refs *r, pml_buf *b);
/* Takes one reference to b; NULL is allowed. */
void pml_refs_give(pml_refs *r, pml_buf *b);
/* Returns all references that were taken ahead or given back: the counts of the blocks are right.
 */
void pml_refs_settle(pml_refs *r);

#endif
