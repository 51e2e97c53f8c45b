/* Fed whole and in pieces: the same result, the same bytes used, and the record is what came. What
 * is kept grows with what has come. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/tls_hello.h"

static void check_record(const uint8_t *d, size_t n, size_t used) {
  MUST(used <= n && used >= PML_TLS_RECORD_HEAD + 4 && used <= PML_TLS_HELLO_MAX);
  MUST(d[0] == PML_TLS_FIRST && d[1] == 3 && d[5] == 1);
  MUST(used == PML_TLS_RECORD_HEAD + (size_t)(d[3] << 8 | d[4]));
  MUST((d[6] << 16 | d[7] << 8 | d[8]) + 4 <= (int)PML_TLS_HELLO_CONTENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 2) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_tls_hello h = {0};
  pml_slice record;
  size_t used = 0, whole = 0;
  uint8_t *copy = malloc(n);
  memcpy(copy, d, n);
  int want = pml_tls_hello_feed(&h, copy, n, &record, &whole);
  MUST(want == 0 || want == PML_EAGAIN || want == PML_EPROTO);
  if (want == 0) {
    check_record(d, n, whole);
    MUST(pml_slice_eq(record, pml_slice_of(d, whole)));
  }
  free(copy);
  pml_tls_hello_fini(&h);

  int rc = PML_EAGAIN;
  for (size_t i = 0, k; i < n && rc == PML_EAGAIN; i += k) {
    k = chunks_next(&c, n - i);
    copy = malloc(k);
    memcpy(copy, d + i, k);
    size_t took = 0;
    rc = pml_tls_hello_feed(&h, copy, k, &record, &took);
    used = i + took;
    if (rc == 0) MUST(pml_slice_eq(record, pml_slice_of(d, used)));
    free(copy);
    MUST(h.part.len <= i + k);
    if (h.part.b) MUST(h.part.b->cap <= 256 + 2 * (i + k));
  }
  MUST(rc == want);
  if (rc == 0) MUST(used == whole);
  pml_tls_hello_fini(&h);
  return 0;
}
