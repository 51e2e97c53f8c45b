/* Commands from the input against a plain array as the truth: what is kept for a client that comes
 * back, with packages that are taken out again. */
#include "fuzz/chunks.h"
#include "model/backlog.h"

#define MOST 2000

typedef struct {
  uint64_t identity; /* 0: none, or it cannot be taken out any more */
  uint32_t number, len;
} item;

typedef struct {
  item at[MOST];
  size_t n;
  uint64_t next;
} model;

static pml_refs refs;
static model m;
static size_t seen;

static pml_buf *block(const item *one) {
  pml_buf *b = pml_buf_new(one->len);
  for (uint32_t i = 0; i < one->len; i++) b->data[i] = (uint8_t)(one->number >> 8 * (i & 3));
  return b;
}

static void leave(size_t i) {
  memmove(&m.at[i], &m.at[i + 1], (m.n - i - 1) * sizeof *m.at);
  m.n--;
}

static size_t take_out(uint64_t identity) {
  for (size_t i = m.n; i-- > 0;) {
    if (m.at[i].identity != identity) continue;
    size_t cost = m.at[i].len + PML_BACKLOG_APART;
    leave(i);
    m.next--;
    return cost;
  }
  return 0;
}

static void look(pml_buf *frame, void *ud) {
  (void)ud;
  MUST(seen < m.n);
  const item *one = &m.at[seen++];
  MUST(frame->len == one->len && frame->data[0] == (uint8_t)one->number);
  MUST(frame->len < 2 || frame->data[1] == (uint8_t)(one->number >> 8));
}

static void check(const pml_backlog *b, size_t from) {
  size_t bytes = 0;
  for (size_t i = 0; i < m.n; i++) bytes += m.at[i].len + PML_BACKLOG_APART;
  MUST(b->bytes == bytes);
  MUST(b->next == m.next);
  MUST(b->count - b->holes == m.n);
  MUST(pml_backlog_first(b) == m.next - m.n);
  seen = m.n ? from % m.n : 0;
  pml_backlog_each(b, pml_backlog_first(b) + seen, look, NULL);
  MUST(seen == m.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_backlog b = {0};
  m.n = 0;
  m.next = 0;
  for (size_t i = 0; i + 1 < n && m.n < MOST; i += 2) {
    unsigned a = d[i + 1];
    item one = {0, (uint32_t)i, 1 + a % 9};
    switch (d[i] % 8) {
    case 0:
    case 1:
      pml_backlog_put(&b, block(&one), 0);
      m.at[m.n++] = one;
      m.next++;
      break;
    case 2:
      MUST(pml_backlog_drop(&b, &refs) == (m.n ? m.at[0].len + PML_BACKLOG_APART : 0));
      if (m.n) leave(0);
      break;
    case 3:
      pml_backlog_fix(&b);
      for (size_t k = 0; k < m.n; k++) m.at[k].identity = 0;
      break;
    case 4: MUST(pml_backlog_take_out(&b, &refs, 1 + a % 40) == take_out(1 + a % 40)); break;
    case 5:
      if (a) break;
      pml_backlog_clear(&b, &refs);
      m.n = 0;
      break;
    default:
      one.identity = 1 + a % 40;
      pml_backlog_put(&b, block(&one), one.identity);
      m.at[m.n++] = one;
      m.next++;
    }
    check(&b, a);
  }
  pml_backlog_clear(&b, &refs);
  pml_refs_settle(&refs);
  return 0;
}
