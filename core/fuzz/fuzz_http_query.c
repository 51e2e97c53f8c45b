/* The pairs of a query lie inside of it, one behind the other; decoding writes no more than it
 * reads, and what has no "%" and no "+" stays as it is. */
#include "fuzz/chunks.h"
#include "wire/http_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1), *out = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_slice rest = pml_slice_of(copy, n), name, value;
  const uint8_t *at = copy;
  while (pml_http_query_next(&rest, &name, &value)) {
    MUST(name.p >= at && name.p + name.n <= value.p && value.p + value.n <= copy + n);
    MUST(rest.p == value.p + value.n);
    at = rest.p;
    size_t k = pml_http_decode(value, 1, out);
    MUST(k <= value.n);
    if (!memchr(value.p, '%', value.n) && !memchr(value.p, '+', value.n))
      MUST(pml_slice_eq(value, pml_slice_of(out, k)));
  }
  size_t k = pml_http_decode(pml_slice_of(copy, n), 0, out);
  MUST(k <= n);
  if (pml_http_is_encoded(pml_slice_of(copy, n)) && !memchr(copy, 0, n)) MUST(!memchr(out, 0, k));
  free(copy);
  free(out);
  return 0;
}
