#include "bus/claimed.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

typedef struct pml__claimed_id {
  UT_hash_handle hh;
  uint64_t incarnation;
  char id[];
} claimed;

static claimed *find(const pml__claimed *c, const char *id) {
  claimed *k;
  size_t n = strlen(id);
  HASH_FIND_BYHASHVALUE(hh, c->ids, id, n, pml_hash_ours(id, n), k);
  return k;
}

void pml__claimed_fini(pml__claimed *c) {
  claimed *k, *next;
  HASH_ITER (hh, c->ids, k, next) {
    HASH_DELETE(hh, c->ids, k);
    pml_free(k);
  }
}

int pml__claimed_put(pml__claimed *c, const char *id, uint64_t incarnation) {
  claimed *k = find(c, id);
  int is_new = !k;
  if (is_new) {
    size_t n = strlen(id);
    k = pml_alloc0(sizeof *k + n + 1);
    memcpy(k->id, id, n + 1);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, c->ids, k->id, n, pml_hash_ours(k->id, n), k);
  }
  k->incarnation = incarnation;
  return is_new;
}

uint64_t pml__claimed_life(const pml__claimed *c, const char *id) {
  const claimed *k = find(c, id);
  return k ? k->incarnation : 0;
}

int pml__claimed_each(const pml__claimed *c, int (*fn)(const char *id, void *ud), void *ud) {
  int rc = 0;
  for (const claimed *k = c->ids; k && !rc; k = k->hh.next) rc = fn(k->id, ud);
  return rc;
}
