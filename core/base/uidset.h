/* uidset: whether a uid is in a list of uids. A list of a few is searched; a longer one gets an
 * index when it is first asked, so that who asks once per receiver pays the length once. */
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
