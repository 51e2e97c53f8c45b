#include "net/outq.h"

#include "base/mem.h"

#define COPY_BELOW 1024u /* larger blocks go by reference */

/* Tags: the identities of a queue's blocks, and where the newest block of an identity stands.
 *
 * The blocks of a queue are numbered: that of the first one is in `first`, and a block keeps its
 * number until the queue is made anew. Those whose identities have the same low bits are chained,
 * from the newest to the oldest. A chain ends where a number is not that of a block in front of the
 * last one: so a block that leaves at the head of the queue need not be taken out of its chain. */
typedef struct {
  uint64_t identity; /* of the block in this place of the ring; 0: none, or it is under way */
  uint32_t older;    /* number of the next one in its chain */
  uint32_t newest;   /* number of the first one in the chain of this place */
} tag;

typedef struct pml__tags {
  pml__outqs *of;
  struct pml__tags *spare; /* next in the list of spare ones */
  uint32_t first, holes;
  tag at[]; /* as many as the queue has room for */
} tags;

static tags *tags_new(pml__outqs *of, uint32_t cap) {
  tags *t = cap == PML__OUTQ_FIRST ? of->tags : NULL;
  if (t) {
    of->tags = t->spare;
    of->ntags--;
  } else {
    t = pml_alloc(sizeof *t + cap * sizeof *t->at);
  }
  *t = (tags){.of = of};
  for (uint32_t i = 0; i < cap; i++) t->at[i] = (tag){0, 0, UINT32_MAX};
  return t;
}

static void tags_free(tags *t, uint32_t cap) {
  pml__outqs *of = t->of;
  if (cap == PML__OUTQ_FIRST && of->ntags < PML__OUTQ_SPARE) {
    t->spare = of->tags;
    of->tags = t;
    of->ntags++;
  } else {
    pml_free(t);
  }
}

pml__outq *pml__outq_new(pml__outqs *spare, uint32_t cap) {
  pml__outq *q = cap == PML__OUTQ_FIRST ? spare->first : NULL;
  if (q) {
    spare->first = q->spare;
    spare->n--;
  } else {
    q = pml_alloc(sizeof *q + cap * sizeof *q->item);
    q->cap = cap;
  }
  q->head = q->count = q->held = 0;
  q->cut = 0;
  q->bytes = 0;
  q->req = NULL;
  q->spare = NULL;
  q->tags = NULL;
  return q;
}

void pml__outq_free(pml__outqs *spare, pml__outq *q) {
  if (q->tags) tags_free(q->tags, q->cap);
  if (q->cap == PML__OUTQ_FIRST && spare->n < PML__OUTQ_SPARE) {
    q->spare = spare->first;
    spare->first = q;
    spare->n++;
  } else {
    pml_free(q);
  }
}

void pml__outqs_free(pml__outqs *spare) {
  while (spare->first) {
    pml__outq *q = spare->first;
    spare->first = q->spare;
    pml_free(q);
  }
  while (spare->tags) {
    tags *t = spare->tags;
    spare->tags = t->spare;
    pml_free(t);
  }
  spare->n = spare->ntags = 0;
}

/* ---- identities ---- */

static tag *tag_at(pml__outq *q, uint32_t i) { return &q->tags->at[(q->head + i) & (q->cap - 1)]; }

/* Where the number of the first block of a chain stands. */
static uint32_t *chain_of(pml__outq *q, uint64_t identity) {
  return &q->tags->at[identity & (q->cap - 1)].newest;
}

/* The block that stands last has this identity from here on. */
static void link_last(pml__outq *q, uint64_t identity) {
  tag *t = tag_at(q, q->count - 1);
  uint32_t *chain = chain_of(q, identity);
  t->identity = identity;
  t->older = *chain;
  *chain = q->tags->first + q->count - 1;
}

/* The block of an identity leaves its chain. Its place; q->count: there is none. */
static uint32_t unlink_one(pml__outq *q, uint64_t identity) {
  uint32_t *from = chain_of(q, identity);
  for (uint32_t end = q->count;;) {
    uint32_t i = *from - q->tags->first;
    if (i >= end) return q->count;
    tag *t = tag_at(q, i);
    if (t->identity == identity) {
      *from = t->older;
      return i;
    }
    from = &t->older;
    end = i;
  }
}

/* Block i cannot be taken out any more. */
static void settle_tag(pml__outq *q, uint32_t i) {
  tag *t = tag_at(q, i);
  if (t->identity) q->tags->of->waiting--;
  t->identity = 0;
}

/* The first item leaves; its block has been given back. */
static void drop_first(pml__outq *q) {
  q->bytes -= sizeof(pml__out);
  q->head = (q->head + 1) & (q->cap - 1);
  q->tags->first++;
  q->count--;
}

static void take_out(pml__outq *q, uint32_t i, pml_refs *refs) {
  pml__out *o = pml__outq_at(q, i);
  q->bytes -= o->len;
  pml_refs_give(refs, o->b);
  *o = (pml__out){NULL, 0, 0};
  settle_tag(q, i);
  q->tags->holes++;
  while (q->count && !pml__outq_at(q, q->count - 1)->b) {
    q->bytes -= sizeof *o;
    q->count--;
    q->tags->holes--;
  }
  while (q->count && !pml__outq_at(q, 0)->b) {
    drop_first(q);
    q->tags->holes--;
  }
}

int pml__outq_replace(pml__outqs *spare, pml_refs *refs, pml__outq **at, pml_buf *b, pml_slice part,
                      uint64_t identity) {
  int taken = 0;
  if (*at && (*at)->tags) {
    uint32_t i = unlink_one(*at, identity);
    taken = i < (*at)->count;
    if (taken) take_out(*at, i, refs);
  }
  pml__outq_put(spare, at, b, part);
  if (!(*at)->tags) (*at)->tags = tags_new(spare, (*at)->cap);
  link_last(*at, identity);
  spare->waiting++;
  return taken;
}

void pml__outq_hold(pml__outq *q, uint32_t n) {
  q->held = n;
  for (uint32_t i = 0; q->tags && i < n; i++) settle_tag(q, i);
}

/* Moves what q holds to the beginning of `to`, which may be q, and numbers it anew. */
static void move(pml__outq *q, pml__outq *to) {
  tags *t = to->tags;
  uint32_t n = 0;
  for (uint32_t i = 0; i < to->cap; i++) t->at[i].newest = UINT32_MAX;
  t->first = 0;
  t->holes = 0;
  for (uint32_t i = 0, all = q->count; i < all; i++) {
    pml__out o = *pml__outq_at(q, i);
    uint64_t identity = tag_at(q, i)->identity;
    tag_at(q, i)->identity = 0;
    if (!o.b) continue;
    to->count = n + 1;
    *pml__outq_at(to, n++) = o;
    if (identity) link_last(to, identity);
  }
  to->count = n;
}

void pml__outq_compact(pml__outq *q) {
  uint32_t holes = q->tags->holes;
  if (!holes) return;
  move(q, q);
  q->bytes -= holes * sizeof(pml__out);
}

void pml__outq_pop_tagged(pml__outq *q, pml_refs *refs, size_t n) {
  while (q->count) {
    pml__out *o = pml__outq_at(q, 0);
    if (n < o->len) {
      if (!n) return;
      o->off += (uint32_t)n;
      o->len -= (uint32_t)n;
      q->bytes -= n;
      q->cut = 1;
      settle_tag(q, 0);
      return;
    }
    n -= o->len;
    q->bytes -= o->len;
    settle_tag(q, 0);
    if (!o->b) q->tags->holes--;
    pml_refs_give(refs, o->b);
    q->cut = 0;
    drop_first(q);
  }
}

pml__outq *pml__outq_grow(pml__outqs *spare, pml__outq *q) {
  if (q->tags && q->tags->holes > q->cap / 4) {
    pml__outq_compact(q);
    return q;
  }
  pml__outq *big = pml__outq_new(spare, q->cap * 2);
  big->bytes = q->bytes;
  if (q->tags) {
    big->bytes -= q->tags->holes * sizeof(pml__out);
    big->tags = tags_new(spare, big->cap);
    move(q, big);
  } else {
    for (uint32_t i = 0; i < q->count; i++) big->item[i] = *pml__outq_at(q, i);
    big->count = q->count;
  }
  big->req = q->req;
  big->held = q->held;
  big->cut = q->cut;
  pml__outq_free(spare, q);
  return big;
}

void pml__outq_cut(pml__outq *q, uint32_t keep) {
  while (q->count > keep) {
    if (q->tags) {
      settle_tag(q, q->count - 1);
      q->tags->holes -= !pml__outq_at(q, q->count - 1)->b;
    }
    pml__out *o = pml__outq_at(q, --q->count);
    q->bytes -= o->len + sizeof *o;
    pml_buf_unref(o->b);
  }
}

void pml__outq_copy(pml__outq *q, uint8_t *to) {
  for (uint32_t i = 0; i < q->count; i++) {
    const pml__out *o = pml__outq_at(q, i);
    memcpy(to, o->b->data + o->off, o->len);
    to += o->len;
  }
}

unsigned pml__outq_gather(pml__outq *q, uv_buf_t *iov, uint8_t *scratch, uint32_t *blocks,
                          size_t *total) {
  unsigned n = 0;
  size_t used = 0, sum = 0;
  int run = 0;
  uint32_t i = 0;
  for (; i < q->count && n < PML__OUTQ_IOV && sum < PML__OUTQ_BYTES; i++) {
    pml__out *o = pml__outq_at(q, i);
    uint8_t *p = o->b->data + o->off;
    sum += o->len;
    if (scratch && o->len < COPY_BELOW && used + o->len <= PML__OUTQ_TOGETHER) {
      memcpy(scratch + used, p, o->len);
      if (run) iov[n - 1].len += o->len;
      else iov[n++] = uv_buf_init((char *)scratch + used, o->len);
      used += o->len;
      run = 1;
    } else {
      iov[n++] = uv_buf_init((char *)p, o->len);
      run = 0;
    }
  }
  *blocks = i;
  *total = sum;
  return n;
}
