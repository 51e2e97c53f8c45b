/* outq: the blocks of one connection that wait to be written, in order. Pure: it knows no socket,
 * and its caller enforces the limits (pml__outq_behind, bytes). A connection has one only while
 * something waits; free ones of the smallest size are kept by the set of connections (pml__outqs).
 *
 * A block may have an identity (base/delivery): then a later one of the same identity takes it out
 * and stands last, unless a part of it is written. What was taken out leaves a hole, that is an
 * item without bytes, but never as the first item or as the last one.
 *
 * A queue owns one reference to each of its blocks. The functions that every message passes
 * through are inline. */
#ifndef PML_NET_OUTQ_H
#define PML_NET_OUTQ_H

#include "base/buf.h"
#include "base/refs.h"

#include <uv.h>

#define PML__OUTQ_FIRST 8u         /* blocks that a new one has room for */
#define PML__OUTQ_SPARE 1024u      /* queues that are kept */
#define PML__OUTQ_IOV 128u         /* blocks per system call, below IOV_MAX everywhere */
#define PML__OUTQ_BYTES (1u << 20) /* per system call, but for the last block */
/* Small blocks of one connection are copied into one piece, up to this. */
#define PML__OUTQ_TOGETHER 16384u

typedef struct {
  pml_buf *b;
  uint32_t off, len; /* what is still to be written */
} pml__out;

typedef struct pml__outq {
  uint32_t head, count, cap; /* a ring; cap is a power of two */
  size_t bytes;              /* payload and bookkeeping, what the limits count */
  struct pml__write *req;    /* the one write libuv has, NULL: none */
  uint32_t cut;              /* 1: a part of the first block is written */
  uint32_t held;             /* blocks, from head on, that req or the ring may still read */
  size_t offered;            /* bytes that the ring has */
  struct pml__outq *spare;   /* next in the list of spare ones */
  struct pml__tags *tags;    /* NULL: no block has had an identity yet */
  pml__out item[];
} pml__outq;

/* Zeroed is a valid start. */
typedef struct {
  pml__outq *first;
  uint32_t n;
  struct pml__tags *tags; /* spare ones of the smallest size */
  uint32_t ntags;
  uint64_t waiting; /* blocks with an identity, in all queues, of which nothing is written */
} pml__outqs;

/* An empty queue with room for cap blocks, a power of two; owned. */
pml__outq *pml__outq_new(pml__outqs *spare, uint32_t cap);
/* Takes q, which is empty. */
void pml__outq_free(pml__outqs *spare, pml__outq *q);
/* Frees the spare ones. */
void pml__outqs_free(pml__outqs *spare);
/* Takes q; returns one with twice the room that holds the same. */
pml__outq *pml__outq_grow(pml__outqs *spare, pml__outq *q);
/* Releases the blocks behind the first `keep`. */
void pml__outq_cut(pml__outq *q, uint32_t keep);
/* Appends a part of b, which has an identity, not 0. The block of that identity that waits is taken
 * out; its reference goes to refs. Returns how many were taken out: 0 or 1. *at as for
 * pml__outq_put. Takes one reference to b. */
int pml__outq_replace(pml__outqs *spare, pml_refs *refs, pml__outq **at, pml_buf *b, pml_slice part,
                      uint64_t identity);
/* The first n blocks are given to somebody who reads them until pml__outq_pop: they stay. */
void pml__outq_hold(pml__outq *q, uint32_t n);
/* Closes the holes of a queue with tags. */
void pml__outq_compact(pml__outq *q);
/* pml__outq_pop for a queue with tags. */
void pml__outq_pop_tagged(pml__outq *q, pml_refs *refs, size_t n);
/* Fills iov, which has room for PML__OUTQ_IOV pieces, with what comes next, and returns their
 * number; the blocks and bytes that are in them go to *blocks and *total. With scratch, of
 * PML__OUTQ_TOGETHER bytes, small blocks beside each other are copied into one piece. q has no
 * holes. */
unsigned pml__outq_gather(pml__outq *q, uv_buf_t *iov, uint8_t *scratch, uint32_t *blocks,
                          size_t *total);

/* Copies all that waits to `to`, which has room for pml__outq_length bytes. q has no holes. */
void pml__outq_copy(pml__outq *q, uint8_t *to);

static inline pml__out *pml__outq_at(pml__outq *q, uint32_t i) {
  return &q->item[(q->head + i) & (q->cap - 1)];
}

/* Before a queue is gathered or copied: it has no holes from here on. */
static inline void pml__outq_settle(pml__outq *q) {
  if (q->tags) pml__outq_compact(q);
}

/* Appends a part of b. *at may be NULL, and be another one afterwards. Takes one reference to b. */
static inline void pml__outq_put(pml__outqs *spare, pml__outq **at, pml_buf *b, pml_slice part) {
  if (!*at) *at = pml__outq_new(spare, PML__OUTQ_FIRST);
  else if ((*at)->count == (*at)->cap) *at = pml__outq_grow(spare, *at);
  pml__outq *q = *at;
  pml__out *o = pml__outq_at(q, q->count++);
  o->b = b;
  o->off = (uint32_t)(part.p - b->data);
  o->len = (uint32_t)part.n;
  q->bytes += part.n + sizeof *o;
}

/* n bytes were written. Gives back, to refs, the blocks that are done. */
static inline void pml__outq_pop(pml__outq *q, pml_refs *refs, size_t n) {
  if (q->tags) {
    pml__outq_pop_tagged(q, refs, n);
    return;
  }
  while (q->count) {
    pml__out *o = pml__outq_at(q, 0);
    if (n < o->len) {
      o->off += (uint32_t)n;
      o->len -= (uint32_t)n;
      q->bytes -= n;
      if (n) q->cut = 1;
      return;
    }
    n -= o->len;
    q->bytes -= o->len + sizeof *o;
    pml_refs_give(refs, o->b);
    q->cut = 0;
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
  }
}

/* The bytes that wait. */
static inline size_t pml__outq_length(const pml__outq *q) {
  return q->bytes - q->count * sizeof(pml__out);
}

/* The bytes behind the oldest block, bookkeeping included. Limits apply to these only, because the
 * oldest block may be as long as a message can be. */
static inline size_t pml__outq_behind(pml__outq *q) {
  return q->count ? q->bytes - pml__outq_at(q, 0)->len - sizeof(pml__out) : 0;
}

#endif
