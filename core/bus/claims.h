/* claims: ids of which this process asks whether somebody has them. The holder is asked first; when
 * the broker says that there is none, or when nobody says anything, all processes are asked which
 * incarnation it had, since one that is dead or stands still cannot say so.
 *
 * Part of bus/discovery: its rules about threads, events and texts hold here as well. */
#ifndef PML_BUS_CLAIMS_H
#define PML_BUS_CLAIMS_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"

#define PML_CLAIM_MS 500u      /* the holder of an id answers within this time */
#define PML_CLAIM_WIDE_MS 100u /* after it, all are asked; they answer within it */

typedef struct {
  pml_list link; /* private */
  uint32_t number;
  int wide;       /* all have been asked */
  int free;       /* nobody has it; that is told when all processes that are there are met, and had
                     time to say which incarnation it had */
  uint64_t asked; /* when */
  uint64_t wider; /* when all were asked */
  uint64_t until; /* of a free one: when it wants something */
  uint64_t above; /* the highest incarnation that somebody knows */
  char id[PML_SERVER_ID_MAX + 1];
} pml_claim;

typedef struct {
  pml_list all;     /* private */
  uint32_t numbers; /* private */
} pml_claims;

void pml_claims_init(pml_claims *c);
void pml_claims_fini(pml_claims *c);
/* Borrowed until pml_claims_end. */
pml_claim *pml_claims_begin(pml_claims *c, pml_slice id, uint64_t now);
/* NULL: there is none, any more. */
pml_claim *pml_claims_find(const pml_claims *c, uint32_t number);
pml_claim *pml_claims_of(const pml_claims *c, pml_slice id); /* the oldest of this id */
pml_claim *pml_claims_first(const pml_claims *c);            /* the oldest */
pml_claim *pml_claims_next(const pml_claims *c, const pml_claim *claim);
void pml_claims_end(pml_claim *claim);
/* When the next one wants something; UINT64_MAX: none does. */
uint64_t pml_claims_due(const pml_claims *c);

#endif
