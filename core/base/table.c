#include "base/table.h"

#include "base/mem.h"

#define CAP_FIRST 4u
#define PER_PLACE 2u /* links, before the table doubles */

static void grow(pml_table *t) {
  pml_table old = *t;
  t->cap = old.cap ? old.cap * 2 : CAP_FIRST;
  t->v = pml_alloc0(t->cap * sizeof *t->v);
  /* Each place splits in two, and keeps its order in both. */
  for (uint32_t i = 0; i < old.cap; i++) {
    pml_link **low = &t->v[i], **high = &t->v[i + old.cap];
    for (pml_link *l = old.v[i]; l; l = l->next) {
      pml_link ***end = l->hash & old.cap ? &high : &low;
      **end = l;
      *end = &l->next;
    }
    *low = *high = NULL;
  }
  pml_free(old.v);
}

void pml_table_add(pml_table *t, pml_link *l, uint32_t hash) {
  if (t->count >= t->cap * PER_PLACE && t->cap < 1u << 30) grow(t);
  pml_link **place = &t->v[hash & (t->cap - 1)];
  l->hash = hash;
  l->next = *place;
  *place = l;
  t->count++;
}

void pml_table_remove(pml_table *t, pml_link *l) {
  pml_link **at = &t->v[l->hash & (t->cap - 1)];
  while (*at != l) at = &(*at)->next; /* ours: l is in t */
  *at = l->next;
  t->count--;
}

void pml_table_fini(pml_table *t) {
  pml_free(t->v);
  *t = (pml_table){NULL, 0, 0};
}
