/* claimed: the ids of this process's servers whose claims a bus hears, and their last lives. It
 * only grows: the library is never told to end a subscription. For one thread. */
#ifndef PML_BUS_CLAIMED_H
#define PML_BUS_CLAIMED_H

#include <stdint.h>

/* Zeroed is a valid empty table. */
typedef struct {
  struct pml__claimed_id *ids; /* private */
} pml__claimed;

void pml__claimed_fini(pml__claimed *c);
/* The id has this life from here on. 1 when it was not known before, else 0. */
int pml__claimed_put(pml__claimed *c, const char *id, uint64_t incarnation);
/* The life that was put last; 0: the id is not known. */
uint64_t pml__claimed_life(const pml__claimed *c, const char *id);
/* Calls fn with each id until it returns something else than 0, which is returned. */
int pml__claimed_each(const pml__claimed *c, int (*fn)(const char *id, void *ud), void *ud);

#endif
