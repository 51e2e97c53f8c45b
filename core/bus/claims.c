#include "bus/claims.h"

#include "base/container.h"
#include "base/mem.h"

void pml_claims_init(pml_claims *c) {
  pml_list_init(&c->all);
  c->numbers = 0;
}

void pml_claims_fini(pml_claims *c) {
  for (pml_claim *claim; (claim = pml_claims_first(c));) pml_claims_end(claim);
}

pml_claim *pml_claims_begin(pml_claims *c, pml_slice id, uint64_t now) {
  pml_claim *claim = pml_alloc0(sizeof *claim);
  if (++c->numbers == 0) c->numbers = 1; /* 0 is no claim's */
  claim->number = c->numbers;
  claim->asked = now;
  memcpy(claim->id, id.p, id.n); /* PML_SERVER_ID_MAX at most */
  pml_list_append(&c->all, &claim->link);
  return claim;
}

static pml_claim *at(const pml_claims *c, const pml_list *n) {
  return n == &c->all ? NULL : PML_CONTAINER((pml_list *)(uintptr_t)n, pml_claim, link);
}

pml_claim *pml_claims_first(const pml_claims *c) { return at(c, c->all.next); }
pml_claim *pml_claims_next(const pml_claims *c, const pml_claim *claim) {
  return at(c, claim->link.next);
}

pml_claim *pml_claims_find(const pml_claims *c, uint32_t number) {
  pml_claim *claim = pml_claims_first(c);
  while (claim && claim->number != number) claim = pml_claims_next(c, claim);
  return claim;
}

pml_claim *pml_claims_of(const pml_claims *c, pml_slice id) {
  pml_claim *claim = pml_claims_first(c);
  while (claim && !pml_slice_eq(pml_slice_str(claim->id), id)) claim = pml_claims_next(c, claim);
  return claim;
}

void pml_claims_end(pml_claim *claim) {
  pml_list_remove(&claim->link);
  pml_free(claim);
}

uint64_t pml_claims_due(const pml_claims *c) {
  uint64_t due = UINT64_MAX;
  for (pml_claim *claim = pml_claims_first(c); claim; claim = pml_claims_next(c, claim)) {
    uint64_t then = claim->asked + (claim->wide ? PML_CLAIM_MS : PML_CLAIM_WIDE_MS);
    if (claim->free) then = claim->until;
    if (then < due) due = then;
  }
  return due;
}
