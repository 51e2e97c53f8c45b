/* uidset: whether a uid is in a list of uids. A short list is searched; a longer one gets an
 * index at the first question, so that a question for each receiver pays the length once. */
#ifndef PML_BASE_UIDSET_H
#define PML_BASE_UIDSET_H

#include "base/hash.h"
#include "base/uid.h"

/* {.list = uids} is a valid set; it borrows the bytes until fini. The rest is private. */
typedef struct {
  pml_slice list;
  pml_hash_key key;
  pml_uid *v; /* owned: open addressing, NULL: not indexed */
  uint32_t cap;
} pml_uidset;

int pml_uidset_has(pml_uidset *set, pml_uid uid);
void pml_uidset_fini(pml_uidset *set);

#endif
