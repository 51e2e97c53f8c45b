/* Fuzzes the reading of Range and Accept-Encoding: a part lies in the file, a weight is one. */
#include "base/mem.h"
#include "wire/http_fields.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 1) return 0;
  uint64_t size = data[0], first, count;
  char *text = pml_strndup((const char *)data + 1, n - 1); /* its end is watched */
  if (pml_http_range(text, size, &first, &count) == PML_RANGE_PART &&
      (count == 0 || first >= size || count > size - first))
    abort();
  int weight = pml_http_accepts(text, "gzip");
  if (weight < 0 || weight > 1000) abort();
  pml_free(text);
  return 0;
}
