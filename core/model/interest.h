/* interest: which frontends have members of which cluster channels, as a server that pushes knows
 * it. A frontend counts its changes; as long as its list is not known from the first change to the
 * last, a push goes to it in any case. */
#ifndef PML_MODEL_INTEREST_H
#define PML_MODEL_INTEREST_H

#include "base/buf.h"

typedef struct pml_interest pml_interest;

/* A frontend: one life of a server. */
typedef struct pml_place {
  uint64_t incarnation;   /* read-only */
  uint64_t seq;           /* public: the last change of the list, when it is known */
  uint32_t part;          /* public: of a list that comes in parts, the next one */
  uint8_t is_known;       /* read-only: pml_interest_know */
  struct pml_place *next; /* read-only */
  char id[];              /* read-only */
} pml_place;

pml_interest *pml_interest_new(void); /* returns owned */
void pml_interest_free(pml_interest *t);

/* A frontend, of which nothing is known; it is not there yet. Borrowed. */
pml_place *pml_interest_add(pml_interest *t, const char *id, uint64_t incarnation);
void pml_interest_remove(pml_interest *t, pml_place *p);             /* frees p */
pml_place *pml_interest_find(const pml_interest *t, const char *id); /* borrowed or NULL */
pml_place *pml_interest_first(const pml_interest *t); /* the oldest; go on with next */
/* The list of the frontend is whole, or is not. */
void pml_interest_know(pml_interest *t, pml_place *p, int is_known);

/* The frontend has members of the channel, or has none. */
void pml_interest_set(pml_interest *t, pml_place *p, pml_slice name, int there);
void pml_interest_clear(pml_interest *t, pml_place *p); /* it has no members of any */

/* Calls fn for each frontend that has members of the channel, and for each that may have some. fn
 * may not change t. */
void pml_interest_each(const pml_interest *t, pml_slice name, void (*fn)(pml_place *p, void *ud),
                       void *ud);
/* Channels that a frontend is known to have members of. */
size_t pml_interest_count(const pml_interest *t);

#endif
