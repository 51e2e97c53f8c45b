/* Commands from the input against a plain array as the truth: the blocks of a queue in their order,
 * with blocks of an identity that take the earlier ones out. */
#include "fuzz/chunks.h"
#include "net/outq.h"

#define MOST 3000

typedef struct {
  uint64_t identity; /* 0: none, or it cannot be taken out any more */
  uint32_t number, len;
} item;

typedef struct {
  item at[MOST];
  size_t n, most; /* most: that there were at one time */
} model;

static pml__outqs spare;
static pml_refs refs;

static pml_buf *block(uint32_t number, uint32_t len) {
  pml_buf *b = pml_buf_new(len);
  for (uint32_t i = 0; i < len; i++) b->data[i] = (uint8_t)(number >> 8 * (i & 3));
  return b;
}

static void leave(model *m, size_t i) {
  memmove(&m->at[i], &m->at[i + 1], (m->n - i - 1) * sizeof *m->at);
  m->n--;
}

static void replace(pml__outq **q, model *m, item one) {
  int taken = 0;
  for (size_t i = 0; i < m->n && !taken; i++)
    if (m->at[i].identity == one.identity) {
      leave(m, i);
      taken = 1;
    }
  pml_buf *b = block(one.number, one.len);
  MUST(pml__outq_replace(&spare, &refs, q, b, pml_buf_slice(b), one.identity) == taken);
  m->at[m->n++] = one;
}

static void pop(pml__outq *q, model *m, size_t n) {
  pml__outq_pop(q, &refs, n);
  while (m->n && n >= m->at[0].len) {
    n -= m->at[0].len;
    leave(m, 0);
  }
  if (!m->n || !n) return;
  m->at[0].len -= (uint32_t)n;
  m->at[0].identity = 0;
}

static void check(pml__outq *q, const model *m) {
  size_t bytes = 0, tagged = 0;
  for (size_t i = 0; i < m->n; i++) {
    bytes += m->at[i].len;
    tagged += m->at[i].identity != 0;
  }
  MUST(spare.waiting == tagged);
  if (!q) {
    MUST(m->n == 0);
    return;
  }
  MUST(pml__outq_length(q) == bytes && q->count >= m->n);
  MUST(q->cap <= 8 || q->cap <= 4 * m->most);
  if (m->n) MUST(pml__outq_at(q, 0)->len == m->at[0].len);
  else MUST(q->count == 0);
}

static void check_order(pml__outq *q, const model *m) {
  pml__outq_settle(q);
  MUST(q->count == m->n && q->bytes == pml__outq_length(q) + m->n * sizeof(pml__out));
  for (uint32_t i = 0; i < q->count; i++) {
    const pml__out *o = pml__outq_at(q, i);
    MUST(o->len == m->at[i].len);
    MUST(o->b->data[0] == (uint8_t)m->at[i].number);
    MUST(o->b->len < 2 || o->b->data[1] == (uint8_t)(m->at[i].number >> 8));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  static model m;
  pml__outq *q = NULL;
  m.n = m.most = 0;
  for (size_t i = 0; i + 1 < n && m.n < MOST; i += 2) {
    unsigned a = d[i + 1];
    item one = {0, (uint32_t)i, 1 + a % 9};
    switch (d[i] % 8) {
    case 0: {
      pml_buf *b = block(one.number, one.len);
      pml__outq_put(&spare, &q, b, pml_buf_slice(b));
      m.at[m.n++] = one;
      break;
    }
    case 1:
      if (!q) break;
      q->held = 0; /* whoever had it is done */
      pop(q, &m, a % (pml__outq_length(q) + 1));
      break;
    case 2: /* given to somebody until it is written */
      if (!q) break;
      pml__outq_settle(q);
      pml__outq_hold(q, a % (q->count + 1));
      for (uint32_t k = 0; k < q->held; k++) m.at[k].identity = 0;
      break;
    case 3:
      if (q) check_order(q, &m);
      break;
    case 4: /* a close: what is under way stays */
      if (!q) break;
      m.n = q->held > q->cut ? q->held : q->cut;
      if (m.n > q->count) m.n = q->count;
      pml__outq_cut(q, (uint32_t)m.n);
      break;
    default: one.identity = (1 + (uint64_t)a) << (d[i] & 8 ? 32 : 0); replace(&q, &m, one);
    }
    if (m.n > m.most) m.most = m.n;
    check(q, &m);
    if (q && !q->count) {
      pml__outq_free(&spare, q);
      q = NULL;
    }
  }
  if (q) {
    check_order(q, &m);
    pml__outq_cut(q, 0);
    pml__outq_free(&spare, q);
  }
  MUST(spare.waiting == 0);
  pml_refs_settle(&refs);
  return 0;
}
