/* Fed whole and in pieces: the same end, the same bytes used, the same client. Less is kept than
 * the longest line has. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_proxy_header h = {0}, g = {0};
  pml_proxy_client whole = {0}, pieces = {0};
  size_t used = 0, own = 0, begun = 0;
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  int want = pml_proxy_header_feed(&h, copy, n, &used, &whole), rc = PML_EAGAIN;
  free(copy);
  MUST(want == 0 || want == PML_EAGAIN || want == PML_ENOENT || want == PML_EPROTO);
  MUST(used <= n);
  for (size_t i = 0, k; i < n && rc == PML_EAGAIN; i += k) {
    k = chunks_next(&c, n - i);
    copy = malloc(k);
    memcpy(copy, d + i, k);
    rc = pml_proxy_header_feed(&g, copy, k, &own, &pieces);
    free(copy);
    MUST(own <= k);
    begun = i;
  }
  MUST(rc == want);
  if (rc == PML_ENOENT) {
    pml_slice taken = pml_proxy_header_taken(&g);
    MUST(own == 0 && taken.n == begun && (!begun || !memcmp(taken.p, d, begun)));
  }
  if (rc == 0) {
    MUST(begun + own == used);
    MUST(whole.known == pieces.known);
    MUST(!whole.known || (pml_address_eq(&whole.from, &pieces.from) && whole.port == pieces.port));
    MUST(pml_proxy_header_begins(d, n));
    MUST(used <= 16 + PML_PROXY_REST_MAX && (d[0] != 'P' || used <= PML_PROXY_LINE_MAX));
  }
  return 0;
}
