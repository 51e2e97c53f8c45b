/* table: objects by hash value, for what there is one of per client: a link is 16
 * bytes where uthash keeps 56. The owner embeds the link, makes the hash value (base/hash)
 * and compares the keys. */
#ifndef PML_BASE_TABLE_H
#define PML_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct pml_link {
  struct pml_link *next; /* private */
  uint32_t hash;         /* read-only */
} pml_link;

/* Zeroed is a valid empty table; it holds no memory until the first add. */
typedef struct {
  pml_link **v; /* private, owned */
  uint32_t cap; /* private: a power of two */
  uint32_t count;
} pml_table;

/* l stays where it is until it is removed. Links of one hash value come out newest first. */
void pml_table_add(pml_table *t, pml_link *l, uint32_t hash);
void pml_table_remove(pml_table *t, pml_link *l); /* l is in t */
void pml_table_fini(pml_table *t);                /* links are left alone */

/* The next of that hash value, from l on; NULL at the end. */
static inline pml_link *pml_table_same(pml_link *l, uint32_t hash) {
  while (l && l->hash != hash) l = l->next;
  return l;
}
static inline pml_link *pml_table_first(const pml_table *t, uint32_t hash) {
  return t->cap ? pml_table_same(t->v[hash & (t->cap - 1)], hash) : NULL;
}
static inline pml_link *pml_table_next(const pml_link *l) {
  return pml_table_same(l->next, l->hash);
}

#endif
