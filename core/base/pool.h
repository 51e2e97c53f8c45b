/* pool: blocks of one size that are kept when they are given back, for objects that come and go
 * with every request: hundreds of them in one turn are more than an allocator keeps at hand. A pool
 * belongs to one thread. Under AddressSanitizer no block is kept, so that it sees a use after the
 * block was given back. */
#ifndef PML_BASE_POOL_H
#define PML_BASE_POOL_H

#include <stddef.h>

typedef struct {
  void *first;  /* private: the first kept block; each holds the next */
  size_t size;  /* private: of a block */
  size_t count; /* private: kept */
  size_t max;   /* private: kept, at most */
} pml_pool;

/* size: at least that of a pointer. */
void pml_pool_init(pml_pool *p, size_t size, size_t max);
void *pml_pool_take(pml_pool *p);           /* returns owned, contents undefined */
void pml_pool_give(pml_pool *p, void *obj); /* takes obj */
void pml_pool_clear(pml_pool *p);           /* frees the kept blocks */

#endif
