/* backlog: the last packages of one session that went to its client, in order, so that a client
 * that comes back gets what it has missed (node/resume). Pure: it knows no socket, and its caller
 * enforces the limits (bytes).
 *
 * Packages are counted and not numbered: the oldest one that is kept is package
 * pml_backlog_first, the next one will be package `next`. A package may have an identity
 * (base/delivery). One that was replaced before it was sent is taken out, and those behind it move
 * up, as they do in the queue of the connection (net/outq): such a package was never counted by
 * the client. It leaves a hole, which is not counted.
 *
 * A backlog owns one reference to each of its blocks. */
#ifndef PML_MODEL_BACKLOG_H
#define PML_MODEL_BACKLOG_H

#include "base/buf.h"
#include "base/refs.h"

#define PML_BACKLOG_FIRST 8u /* blocks that a new one has room for; a power of two */
/* What a block costs beside its bytes: its head and its place. */
#define PML_BACKLOG_APART (sizeof(pml_buf) + sizeof(pml_buf *))

/* Zeroed is a valid start. All are read-only for others. */
typedef struct {
  pml_buf **at;              /* a ring with places for cap blocks; NULL: a hole */
  uint32_t head, count, cap; /* count: with holes; cap: a power of two, or 0 */
  uint32_t holes;
  size_t bytes;                  /* of whole blocks, with PML_BACKLOG_APART for each */
  uint64_t next;                 /* packages that were put so far, without those taken out */
  struct pml_backlog_tags *tags; /* NULL: no block has had an identity yet */
} pml_backlog;

void pml_backlog_clear(pml_backlog *b, pml_refs *refs); /* next stays */
/* For the inline functions: room for one more. */
void pml__backlog_grow(pml_backlog *b);
/* The same for a block with tags; identity 0: it has none. */
void pml__backlog_put_tagged(pml_backlog *b, pml_buf *frame, uint64_t identity);
/* Takes out the newest block of an identity. Its cost (bytes), 0: there is none. */
size_t pml_backlog_take_out(pml_backlog *b, pml_refs *refs, uint64_t identity);
/* The newest block that was dropped was not sent after all: it was package 'first - 1'. */
static inline void pml_backlog_uncount(pml_backlog *b) { b->next--; }
/* What is in it has been sent, or may have been: none of it can be taken out from here on. */
void pml_backlog_fix(pml_backlog *b);
/* Gives back the oldest block. Its cost; 0: it is empty. */
size_t pml_backlog_drop(pml_backlog *b, pml_refs *refs);
/* Calls fn for each block from package `from` on, which is none that was dropped. fn does not
 * change b. */
void pml_backlog_each(const pml_backlog *b, uint64_t from, void (*fn)(pml_buf *frame, void *ud),
                      void *ud);

/* The package that the oldest block is; next: it is empty. */
static inline uint64_t pml_backlog_first(const pml_backlog *b) {
  return b->next - (b->count - b->holes);
}

static inline size_t pml_backlog_cost(const pml_buf *frame) {
  return frame->len + PML_BACKLOG_APART;
}

/* Appends a block. Takes one reference. identity 0: it is never taken out. */
static inline void pml_backlog_put(pml_backlog *b, pml_buf *frame, uint64_t identity) {
  if (b->count == b->cap) pml__backlog_grow(b);
  if (identity || b->tags) {
    pml__backlog_put_tagged(b, frame, identity);
    return;
  }
  b->at[(b->head + b->count++) & (b->cap - 1)] = frame;
  b->bytes += pml_backlog_cost(frame);
  b->next++;
}

#endif
