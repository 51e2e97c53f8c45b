/* chunks: cuts a fuzzer's input into the pieces in which it is fed. The first
 * byte of the input is the seed; what is behind it is fed. */
#ifndef PML_FUZZ_CHUNKS_H
#define PML_FUZZ_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint32_t x;
} chunks;

static inline chunks chunks_of(uint8_t seed) {
  chunks c = {seed * 2654435761u + 1};
  return c;
}

/* The size of the next piece, 1..left; small ones are the most frequent. */
static inline size_t chunks_next(chunks *c, size_t left) {
  c->x = c->x * 1664525u + 1013904223u;
  size_t n = 1 + (c->x >> 24) % (c->x & 0x800000 ? 5 : 64);
  return n < left ? n : left;
}

/* What was heard, as text, to be compared. */
typedef struct {
  char *p;
  size_t n, cap;
} tape;

static inline void tape_put(tape *t, const void *p, size_t n) {
  if (n == 0) return;
  if (t->n + n > t->cap) {
    t->cap = (t->n + n) * 2;
    t->p = realloc(t->p, t->cap);
    if (!t->p) abort();
  }
  memcpy(t->p + t->n, p, n);
  t->n += n;
}

static inline int tape_eq(const tape *a, const tape *b) {
  return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

#define MUST(x) \
  do { \
    if (!(x)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
      abort(); \
    } \
  } while (0)

#endif
