#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>

#define FIRST_CAP 240 /* with its head and the allocator's rounding: 256 */

static pml_buf *block(size_t cap) {
  assert(cap <= PML_BUF_MAX); /* ours: every caller has a limit far below */
  pml_buf *b = pml_alloc(sizeof *b + cap);
  atomic_init(&b->refs, 1);
  b->cap = (uint32_t)cap;
  b->len = 0;
  return b;
}

pml_buf *pml_buf_new(size_t len) {
  pml_buf *b = block(len);
  b->len = (uint32_t)len;
  return b;
}

pml_buf *pml_buf_from(const void *p, size_t n) {
  pml_buf *b = pml_buf_new(n);
  if (n) memcpy(b->data, p, n);
  return b;
}

void pml_buf_ref_many(pml_buf *b, uint32_t n) {
  atomic_fetch_add_explicit(&b->refs, n, memory_order_relaxed);
}

void pml_buf_unref_many(pml_buf *b, uint32_t n) {
  if (atomic_fetch_sub_explicit(&b->refs, n, memory_order_acq_rel) == n) pml_free(b);
}

pml_buf *pml_buf_ref(pml_buf *b) {
  if (b) pml_buf_ref_many(b, 1);
  return b;
}

void pml_buf_unref(pml_buf *b) {
  if (b) pml_buf_unref_many(b, 1);
}

void pml_writer_grow(pml_writer *w, size_t n) {
  if (!w->b) {
    w->b = block(n < FIRST_CAP ? FIRST_CAP : n);
    return;
  }
  size_t need = w->len + n;
  if (need <= w->b->cap) return;
  size_t cap = w->b->cap * 2u;
  if (cap < need) cap = need;
  assert(cap <= PML_BUF_MAX); /* ours, as above */
  w->b = pml_realloc(w->b, sizeof *w->b + cap);
  w->b->cap = (uint32_t)cap;
}

uint8_t *pml_writer_at(pml_writer *w, size_t off) {
  assert(w->b && off <= w->len); /* ours */
  return w->b->data + off;
}

pml_buf *pml_writer_finish(pml_writer *w) {
  pml_buf *b = w->b ? w->b : block(0);
  b->len = (uint32_t)w->len;
  w->b = NULL;
  w->len = 0;
  return b;
}

void pml_writer_drop(pml_writer *w) {
  if (w->b) pml_buf_unref(w->b);
  w->b = NULL;
  w->len = 0;
}
