/* helpers: how many threads work for a loop. They are not joined, since one may be in a call that
 * nobody can end; but whoever frees the loop gives them a moment, so that a process does not end,
 * and take down its libraries, under a thread that is about to be done. Counted; any thread. */
#ifndef PML_LOOP_HELPERS_H
#define PML_LOOP_HELPERS_H

#include <stdint.h>

typedef struct pml_helpers pml_helpers;

pml_helpers *pml_helpers_new(void); /* returns owned */
/* One thread more; returns a reference of its own. */
pml_helpers *pml_helpers_begin(pml_helpers *h);
/* A thread ends: takes the reference that begin has returned. */
void pml_helpers_end(pml_helpers *h);
/* Takes h (NULL is allowed). Returns when all threads have ended, or after ms milliseconds. */
void pml_helpers_leave(pml_helpers *h, uint32_t ms);

#endif
