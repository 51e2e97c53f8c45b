/* dictionaries: the route dictionaries of a program. The first server that needs one builds it, on
 * its own thread; the others wait for it and share it. For any thread. */
#ifndef PML_HOST_DICTIONARIES_H
#define PML_HOST_DICTIONARIES_H

#include "wire/dictionary.h"

typedef struct pml_dictionaries pml_dictionaries;

pml_dictionaries *pml_dictionaries_new(void); /* returns owned */
void pml_dictionaries_free(pml_dictionaries *all);

/* The dictionary of that key, perhaps after a wait for another thread that builds it. 1: *d is it,
 * one reference for the caller; 0: that thread could not build it, and *err, owned, says why;
 * -1: there is none, and the caller builds it and calls pml_dictionaries_built. */
int pml_dictionaries_take(pml_dictionaries *all, const char *key, pml_dictionary **d, char **err);
/* Shares d; NULL: it could not be built, the threads that wait get err, and the next one that asks
 * builds it. */
void pml_dictionaries_built(pml_dictionaries *all, const char *key, pml_dictionary *d,
                            const char *err);

#endif
