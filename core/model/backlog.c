#include "model/backlog.h"

#include "base/mem.h"

/* Numbers of places begin anew before they go round. */
#ifdef PML_TEST
#define NUMBERS 64u
#else
#define NUMBERS (1u << 31)
#endif

/* The identities of blocks, and where the newest block of an identity stands. Places are numbered:
 * that of the oldest one is `first`, and a block keeps its number until the ring is made anew.
 * Those whose identities have the same low bits are chained, from the newest to the oldest. A chain
 * ends where a number is not that of a place in front of the last one: so a block that is dropped
 * need not be taken out of its chain. */
typedef struct {
  uint64_t identity; /* of the block in this place of the ring; 0: none */
  uint32_t older;    /* number of the next one in its chain */
  uint32_t newest;   /* number of the first one in the chain of this place */
} tag;

typedef struct pml_backlog_tags {
  uint32_t first;
  tag at[]; /* as many as the ring has places */
} tags;

static uint32_t place(const pml_backlog *b, uint32_t i) { return (b->head + i) & (b->cap - 1); }
static tag *tag_at(pml_backlog *b, uint32_t i) { return &b->tags->at[place(b, i)]; }

static tags *tags_new(uint32_t cap) {
  tags *t = pml_alloc(sizeof *t + cap * sizeof *t->at);
  t->first = 0;
  for (uint32_t i = 0; i < cap; i++) t->at[i] = (tag){0, 0, UINT32_MAX};
  return t;
}

static uint32_t *chain_of(pml_backlog *b, uint64_t identity) {
  return &b->tags->at[identity & (b->cap - 1)].newest;
}

/* The newest block has this identity. */
static void link_last(pml_backlog *b, uint64_t identity) {
  tag *t = tag_at(b, b->count - 1);
  uint32_t *chain = chain_of(b, identity);
  t->identity = identity;
  t->older = *chain;
  *chain = b->tags->first + b->count - 1;
}

/* The newest block of an identity leaves its chain. Where it stands; count: there is none. */
static uint32_t unlink_one(pml_backlog *b, uint64_t identity) {
  uint32_t *from = chain_of(b, identity);
  for (uint32_t end = b->count;;) {
    uint32_t i = *from - b->tags->first;
    if (i >= end) return b->count;
    tag *t = tag_at(b, i);
    if (t->identity == identity) {
      *from = t->older;
      return i;
    }
    from = &t->older;
    end = i;
  }
}

/* A ring with `cap` places that holds the same blocks without holes. */
static void rebuild(pml_backlog *b, uint32_t cap) {
  pml_backlog to = *b;
  to.at = pml_alloc(cap * sizeof *to.at);
  to.head = to.count = to.holes = 0;
  to.cap = cap;
  to.tags = b->tags ? tags_new(cap) : NULL;
  for (uint32_t i = 0; i < b->count; i++) {
    pml_buf *frame = b->at[place(b, i)];
    if (!frame) continue;
    to.at[to.count++] = frame;
    uint64_t identity = b->tags ? tag_at(b, i)->identity : 0;
    if (identity) link_last(&to, identity);
  }
  pml_free(b->at);
  pml_free(b->tags);
  *b = to;
}

void pml__backlog_grow(pml_backlog *b) {
  if (!b->cap) rebuild(b, PML_BACKLOG_FIRST);
  else rebuild(b, b->holes > b->cap / 4 ? b->cap : b->cap * 2);
}

void pml__backlog_put_tagged(pml_backlog *b, pml_buf *frame, uint64_t identity) {
  if (!b->tags) b->tags = tags_new(b->cap);
  b->at[place(b, b->count++)] = frame;
  tag_at(b, b->count - 1)->identity = 0;
  if (identity) link_last(b, identity);
  b->bytes += pml_backlog_cost(frame);
  b->next++;
}

/* The oldest place is free. */
static void drop_place(pml_backlog *b) {
  b->head = place(b, 1);
  b->count--;
  if (b->tags && ++b->tags->first == NUMBERS) rebuild(b, b->cap);
}

static void trim(pml_backlog *b) {
  while (b->count && !b->at[place(b, b->count - 1)]) {
    b->count--;
    b->holes--;
  }
  while (b->count && !b->at[b->head]) {
    b->holes--;
    drop_place(b);
  }
}

size_t pml_backlog_take_out(pml_backlog *b, pml_refs *refs, uint64_t identity) {
  if (!b->tags) return 0;
  uint32_t i = unlink_one(b, identity);
  if (i == b->count) return 0;
  pml_buf **at = &b->at[place(b, i)];
  size_t cost = pml_backlog_cost(*at);
  tag_at(b, i)->identity = 0;
  pml_refs_give(refs, *at);
  *at = NULL;
  b->bytes -= cost;
  b->holes++;
  b->next--;
  trim(b);
  return cost;
}

void pml_backlog_fix(pml_backlog *b) {
  pml_free(b->tags);
  b->tags = NULL;
}

size_t pml_backlog_drop(pml_backlog *b, pml_refs *refs) {
  if (!b->count) return 0;
  pml_buf *frame = b->at[b->head]; /* the first place is no hole */
  size_t cost = pml_backlog_cost(frame);
  drop_place(b);
  b->bytes -= cost;
  pml_refs_give(refs, frame);
  trim(b);
  return cost;
}

void pml_backlog_each(const pml_backlog *b, uint64_t from, void (*fn)(pml_buf *frame, void *ud),
                      void *ud) {
  uint64_t number = pml_backlog_first(b);
  for (uint32_t i = 0; i < b->count; i++) {
    pml_buf *frame = b->at[place(b, i)];
    if (frame && number++ >= from) fn(frame, ud);
  }
}

void pml_backlog_clear(pml_backlog *b, pml_refs *refs) {
  for (uint32_t i = 0; i < b->count; i++) pml_refs_give(refs, b->at[place(b, i)]);
  pml_free(b->at);
  pml_free(b->tags);
  *b = (pml_backlog){.next = b->next};
}
