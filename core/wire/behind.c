#include "wire/behind.h"

#include "wire/message.h"

static void count(const pml_behind *b, uint8_t flag, pml_behind_counts *counts) {
  uint8_t type = flag >> 1 & 7u;
  if (b->head[0] != PML_PKG_DATA) return;
  if (type == PML_MSG_REQUEST) counts->requests++;
  else if (type == PML_MSG_NOTIFY || type == PML_MSG_PUSH) counts->notifies++;
}

/* The header is whole. */
static void begin(pml_behind *b) {
  b->left = (uint32_t)b->head[1] << 16 | (uint32_t)b->head[2] << 8 | b->head[3];
  b->flagged = 0;
  if (!b->left) b->nhead = 0;
}

pml_behind pml_behind_of(const pml_package_parser *p, pml_behind_counts *counts) {
  pml_behind b = {.nhead = p->nhead};
  memcpy(b.head, p->head, sizeof b.head);
  if (b.nhead < PML_PKG_HEAD) return b;
  begin(&b);
  if (!p->have) return b;
  count(&b, p->part[0], counts);
  b.flagged = 1;
  b.left -= p->have;
  return b;
}

void pml_behind_feed(pml_behind *b, pml_slice bytes, pml_behind_counts *counts) {
  const uint8_t *at = bytes.p;
  for (size_t n = bytes.n; n && !b->lost;) {
    if (b->nhead < PML_PKG_HEAD) {
      b->head[b->nhead++] = *at++;
      n--;
      b->lost = b->head[0] < PML_PKG_HANDSHAKE || b->head[0] > PML_PKG_KICK;
      if (b->nhead == PML_PKG_HEAD) begin(b);
      continue;
    }
    if (!b->flagged) count(b, *at, counts);
    b->flagged = 1;
    size_t here = n < b->left ? n : b->left;
    at += here;
    n -= here;
    b->left -= (uint32_t)here;
    if (!b->left) b->nhead = 0;
  }
}
