#include "base/pool.h"

#include "base/mem.h"

#include <assert.h>

#ifdef __SANITIZE_ADDRESS__
#define KEEPS 0
#else
#define KEEPS 1
#endif

void pml_pool_init(pml_pool *p, size_t size, size_t max) {
  assert(size >= sizeof(void *)); /* ours */
  *p = (pml_pool){.size = size, .max = KEEPS ? max : 0};
}

void *pml_pool_take(pml_pool *p) {
  void **obj = p->first;
  if (!obj) return pml_alloc(p->size);
  p->first = *obj;
  p->count--;
  return obj;
}

void pml_pool_give(pml_pool *p, void *obj) {
  if (p->count >= p->max) {
    pml_free(obj);
    return;
  }
  *(void **)obj = p->first;
  p->first = obj;
  p->count++;
}

void pml_pool_clear(pml_pool *p) {
  while (p->first) {
    void **obj = p->first;
    p->first = *obj;
    pml_free(obj);
  }
  p->count = 0;
}
