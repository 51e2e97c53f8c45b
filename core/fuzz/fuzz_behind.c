/* Behind a parser that took any part of the bytes, fed in pieces: the counts of a plain loop. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/behind.h"
#include "wire/message.h"

static int take(uint8_t type, pml_slice body, void *ud) {
  pml_behind_counts *c = ud;
  if (type != PML_PKG_DATA || !body.n) return 0;
  unsigned kind = body.p[0] >> 1 & 7u;
  c->requests += kind == PML_MSG_REQUEST;
  c->notifies += kind == PML_MSG_NOTIFY || kind == PML_MSG_PUSH;
  return 0;
}

static void plain(const uint8_t *d, size_t n, pml_behind_counts *c) {
  for (size_t i = 0; i < n && d[i] >= 1 && d[i] <= 5 && n - i > PML_PKG_HEAD;) {
    size_t k = (size_t)d[i + 1] << 16 | (size_t)d[i + 2] << 8 | d[i + 3];
    i += PML_PKG_HEAD;
    if (k && i < n) take(d[i - PML_PKG_HEAD], pml_slice_of(d + i, 1), c);
    i += k;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 2) return 0;
  chunks c = chunks_of(d[0]);
  size_t first = d[1];
  d += 2, n -= 2;
  if (first > n) first = n;
  pml_behind_counts truth = {0}, got = {0};
  pml_package_parser p = {0};
  uint32_t limit = PML_PKG_MAX;
  plain(d, n, &truth);
  if (pml_package_feed(&p, d, first, &limit, take, &got) == 0) {
    pml_behind b = pml_behind_of(&p, &got);
    for (size_t i = first, k; i < n; i += k) {
      k = chunks_next(&c, n - i);
      uint8_t *piece = malloc(k); /* so that reading past it is seen */
      memcpy(piece, d + i, k);
      pml_behind_feed(&b, pml_slice_of(piece, k), &got);
      free(piece);
    }
    MUST(got.requests == truth.requests && got.notifies == truth.notifies);
  }
  pml_package_fini(&p);
  return 0;
}
