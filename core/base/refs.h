/* refs: references to blocks, some at a time, for a thread that shares one block with many,
 * or holds one that another thread counts, too: each single step would be an atomic one.
 * References are taken ahead of need and given back behind it, at pml_refs_settle, to be called
 * at the end of the work of a turn: a block lives that much longer. */
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
/* What was taken ahead and what was given is what the blocks count. */
void pml_refs_settle(pml_refs *r);

#endif
