/* buf: bytes. Three forms:
 *
 *   pml_slice   borrowed bytes, valid as long as their owner says
 *   pml_buf     a counted block: immutable once a second holder has it; the
 *               count is atomic, so a block may be held by several threads
 *   pml_writer  a growing block; finish() turns it into a pml_buf
 *
 * Ownership words used in all headers: borrows (until the call returns), takes
 * (the callee owns it, also when it fails), shares (the callee adds its own
 * reference), returns owned. */
#ifndef PML_BASE_BUF_H
#define PML_BASE_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  const uint8_t *p;
  size_t n;
} pml_slice;

typedef struct pml_buf {
  atomic_uint refs; /* private */
  uint32_t cap;     /* private */
  uint32_t len;     /* read-only */
  uint8_t data[];   /* read-only once shared */
} pml_buf;

#define PML_BUF_MAX 0x7fffffffu

pml_buf *pml_buf_new(size_t len);               /* returns owned, contents undefined */
pml_buf *pml_buf_from(const void *p, size_t n); /* returns owned, a copy */
pml_buf *pml_buf_ref(pml_buf *b);               /* NULL gives NULL */
void pml_buf_unref(pml_buf *b);                 /* NULL is allowed */
/* n references at once: one atomic step for a fan-out. b is not NULL. */
void pml_buf_ref_many(pml_buf *b, uint32_t n);
void pml_buf_unref_many(pml_buf *b, uint32_t n);
/* How many there are at this moment, at least 1; other threads may change it meanwhile. */
static inline uint32_t pml_buf_refs(const pml_buf *b) {
  return atomic_load_explicit(&b->refs, memory_order_relaxed);
}

static inline pml_slice pml_slice_of(const void *p, size_t n) {
  pml_slice s = {(const uint8_t *)p, n};
  return s;
}
static inline pml_slice pml_slice_str(const char *s) { return pml_slice_of(s, s ? strlen(s) : 0); }
static inline pml_slice pml_buf_slice(const pml_buf *b) {
  pml_slice s = {b ? b->data : NULL, b ? b->len : 0};
  return s;
}
/* Behind the last byte. An empty slice may have no bytes to point at, and C knows no NULL + 0. */
static inline const uint8_t *pml_slice_end(pml_slice s) { return s.n ? s.p + s.n : s.p; }
/* s without its first n bytes, which are there. */
static inline pml_slice pml_slice_from(pml_slice s, size_t n) {
  return pml_slice_of(n ? s.p + n : s.p, s.n - n);
}
/* The bytes of s, which may be none, to a place with room for them. */
static inline void pml_slice_copy(void *to, pml_slice s) {
  if (s.n) memcpy(to, s.p, s.n);
}
static inline int pml_slice_eq(pml_slice a, pml_slice b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* A writer over one block. Zeroed is a valid empty writer. */
typedef struct {
  pml_buf *b; /* private; NULL until the first byte */
  size_t len; /* read-only */
} pml_writer;

void pml_writer_grow(pml_writer *w, size_t n); /* room for n more, nothing appended */
/* n bytes appended, to be filled; borrowed */
static inline uint8_t *pml_writer_more(pml_writer *w, size_t n) {
  if (!w->b || w->b->cap - w->len < n) pml_writer_grow(w, n);
  uint8_t *p = w->b->data + w->len;
  w->len += n;
  return p;
}
static inline void pml_writer_put(pml_writer *w, const void *p, size_t n) {
  if (n) memcpy(pml_writer_more(w, n), p, n);
}
static inline void pml_writer_byte(pml_writer *w, uint8_t c) { *pml_writer_more(w, 1) = c; }
uint8_t *pml_writer_at(pml_writer *w, size_t off); /* borrowed until the next append */
/* Takes back what was appended after the first len bytes. */
static inline void pml_writer_cut(pml_writer *w, size_t len) { w->len = len; }
pml_buf *pml_writer_finish(pml_writer *w); /* returns owned; the writer is empty again */
void pml_writer_drop(pml_writer *w);

#endif
