/* origin: which pages may connect: the Origin header of a browser (RFC 6454) against a list. An
 * entry is "https://game.example" with a port where it is not the scheme's own, the same with
 * "*." before the host (all hosts below it, and not the host itself) or with ":*" behind it (any
 * port), or "null", which a page without an origin sends (a file, a frame in a sandbox). Pure. */
#ifndef PML_WIRE_ORIGIN_H
#define PML_WIRE_ORIGIN_H

#include "base/buf.h"

#define PML_ORIGIN_WHY 256

/* Immutable. */
typedef struct pml_origins pml_origins;

/* Copies the texts. Returns owned; NULL: one of them is no entry, and why says which and what to
 * write. */
pml_origins *pml_origins_new(const pml_slice *v, uint32_t n, char why[PML_ORIGIN_WHY]);
void pml_origins_free(pml_origins *o); /* harmless with NULL */
/* Whether a header's value is in the list. */
int pml_origins_has(const pml_origins *o, pml_slice origin);

#endif
