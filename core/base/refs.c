#include "base/refs.h"

#define AHEAD 64u

static void ahead_end(pml_refs *r) {
  if (r->ahead.n) pml_buf_unref_many(r->ahead.b, r->ahead.n);
  r->ahead.n = 0;
}

pml_buf *pml_refs_take(pml_refs *r, pml_buf *b) {
  if (!b) return NULL;
  if (r->ahead.b != b || !r->ahead.n) {
    ahead_end(r);
    pml_buf_ref_many(b, AHEAD);
    r->ahead.b = b;
    r->ahead.n = AHEAD;
  }
  r->ahead.n--;
  return b;
}

void pml_refs_give(pml_refs *r, pml_buf *b) {
  if (!b) return;
  unsigned i = (unsigned)((uintptr_t)b >> 6) % PML_REFS_SPENT;
  if (r->spent[i].b != b || !r->spent[i].n) {
    if (r->spent[i].n) pml_buf_unref_many(r->spent[i].b, r->spent[i].n);
    r->spent[i].b = b;
    r->spent[i].n = 0;
  }
  r->spent[i].n++;
}

void pml_refs_settle(pml_refs *r) {
  ahead_end(r);
  for (unsigned i = 0; i < PML_REFS_SPENT; i++) {
    if (r->spent[i].n) pml_buf_unref_many(r->spent[i].b, r->spent[i].n);
    r->spent[i].n = 0;
  }
}
