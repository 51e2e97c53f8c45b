/* Fed whole, fed in pieces, and read by a plain loop over all the bytes: the
 * same packages and the same end. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/package.h"

#define LIMIT 1000u
#define LATER 5000u /* after a handshake, as a connection does */

typedef struct {
  tape heard;
  uint32_t limit;
  pml_package_parser *ends; /* on KICK */
  unsigned pause;           /* after each package of which so many have come; 0: never */
  unsigned packages;
} run;

static int on_package(uint8_t type, pml_slice body, void *ud) {
  run *r = ud;
  tape_put(&r->heard, &type, 1);
  tape_put(&r->heard, &body.n, sizeof body.n);
  tape_put(&r->heard, body.p, body.n);
  if (type == PML_PKG_HANDSHAKE) r->limit = LATER;
  if (type != PML_PKG_KICK) return r->pause && ++r->packages % r->pause == 0 ? PML_EAGAIN : 0;
  if (r->ends) pml_package_fini(r->ends);
  return PML_ECLOSED;
}

static int plain(const uint8_t *d, size_t n, run *r) {
  size_t i = 0;
  while (i < n) {
    if (d[i] < 1 || d[i] > 5) return PML_EPROTO;
    if (n - i < 4) return 0;
    size_t k = (size_t)d[i + 1] << 16 | (size_t)d[i + 2] << 8 | d[i + 3];
    if (k > r->limit) return PML_ETOOBIG;
    if (n - i - 4 < k) return 0;
    int rc = on_package(d[i], pml_slice_of(d + i + 4, k), r);
    if (rc) return rc;
    i += 4 + k;
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_package_parser p = {0}, q = {0};
  run truth = {.limit = LIMIT}, whole = {.limit = LIMIT, .ends = &p},
      pieces = {.limit = LIMIT, .ends = &q};
  int want = plain(d, n, &truth);
  MUST(pml_package_feed(&p, d, n, &whole.limit, on_package, &whole) == want);
  MUST(tape_eq(&whole.heard, &truth.heard));
  int rc = 0;
  pieces.pause = c.x % 4;
  for (size_t i = 0, k; i < n && rc >= 0; i += k) {
    k = chunks_next(&c, n - i);
    uint8_t *piece = malloc(k); /* so that reading past it is seen */
    memcpy(piece, d + i, k);
    rc = pml_package_feed(&q, piece, k, &pieces.limit, on_package, &pieces);
    free(piece);
    MUST(rc < (int)k);
    if (rc > 0) k -= (size_t)rc, rc = 0;
    MUST(q.cap <= 2 * n + 256);
  }
  MUST(rc == want);
  MUST(tape_eq(&pieces.heard, &truth.heard));
  if (rc == 0) MUST(pml_package_partial(&p) == pml_package_partial(&q));
  pml_package_fini(&p);
  pml_package_fini(&q);
  free(truth.heard.p), free(whole.heard.p), free(pieces.heard.p);
  return 0;
}
