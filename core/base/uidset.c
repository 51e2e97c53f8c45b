#include "base/uidset.h"

#include "base/mem.h"

#define SEARCHED 128u /* bytes of a list that is searched */

static int search(pml_slice list, pml_uid uid) {
  pml_uid u;
  while (pml_uids_next(&list, &u) > 0)
    if (pml_uid_eq(u, uid)) return 1;
  return 0;
}

/* The place of uid, or the free one where it belongs. */
static pml_uid *place(const pml_uidset *set, pml_uid uid) {
  uint32_t i = pml_hash(&set->key, uid.s, uid.n);
  while (set->v[i & (set->cap - 1)].s && !pml_uid_eq(set->v[i & (set->cap - 1)], uid)) i++;
  return &set->v[i & (set->cap - 1)];
}

static void index_list(pml_uidset *set) {
  pml_uid uid;
  size_t count = 0;
  for (pml_slice rest = set->list; pml_uids_next(&rest, &uid) > 0;) count++;
  for (set->cap = 64; set->cap < 2 * count;) set->cap *= 2;
  set->v = pml_alloc0(set->cap * sizeof *set->v);
  pml_hash_key_init(&set->key);
  for (pml_slice rest = set->list; pml_uids_next(&rest, &uid) > 0;) *place(set, uid) = uid;
}

int pml_uidset_has(pml_uidset *set, pml_uid uid) {
  if (!set->list.n || !uid.s) return 0;
  if (set->list.n <= SEARCHED) return search(set->list, uid);
  if (!set->v) index_list(set);
  return place(set, uid)->s != NULL;
}

void pml_uidset_fini(pml_uidset *set) {
  pml_free(set->v);
  set->v = NULL;
}
