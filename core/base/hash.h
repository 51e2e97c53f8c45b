/* hash: uthash as this project uses it. Tables here are keyed by what strangers
 * choose (user ids, names), so hash values are SipHash-1-3 under a random key of
 * the table, and the plain HASH_ macros, whose hash has no key, are not used:
 *
 *   HASH_FIND_BYHASHVALUE(hh, head, key, n, pml_hash(k, key, n), found)
 *   HASH_ADD_KEYPTR_BYHASHVALUE(hh, head, key, n, pml_hash(k, key, n), item)
 *
 * Buckets come from base/mem; a table starts with 4 of them, since most channels
 * are small. */
#ifndef PML_BASE_HASH_H
#define PML_BASE_HASH_H

#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>

#define uthash_malloc(n) pml_alloc(n)
#define uthash_free(p, n) pml_free(p)
#include <uthash.h>
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

typedef struct {
  uint64_t k[2]; /* private */
} pml_hash_key;

/* A key that is not known outside this process. */
void pml_hash_key_init(pml_hash_key *key);
uint32_t pml_hash(const pml_hash_key *key, const void *p, size_t n);
/* For keys that no peer chooses, ids of servers and addresses for two: a fraction of the time. */
uint32_t pml_hash_ours(const void *p, size_t n);

#endif
