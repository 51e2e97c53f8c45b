/* A text that is an entry without stars is an origin that is in its own list; nothing that is in a
 * list is changed by the case of its letters. Input: an entry, a line break, an origin. */
#include "fuzz/chunks.h"
#include "wire/origin.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  const uint8_t *end = n ? memchr(d, '\n', n) : NULL;
  size_t k = end ? (size_t)(end - d) : n, left = end ? n - k - 1 : 0;
  uint8_t *entry = malloc(k ? k : 1), *origin = malloc(left ? left : 1);
  char why[PML_ORIGIN_WHY];
  memcpy(entry, d, k);
  if (left) memcpy(origin, end + 1, left);
  pml_slice text = pml_slice_of(entry, k), asked = pml_slice_of(origin, left);
  pml_origins *o = pml_origins_new(&text, 1, why);
  if (o && !memchr(entry, '*', k) && entry[0] != 'n' && entry[0] != 'N')
    MUST(pml_origins_has(o, text));
  if (o) {
    int in = pml_origins_has(o, asked);
    int null = left == 4 && !memcmp(origin, "null", 4);
    for (size_t i = 0; i < left && !null; i++) origin[i] = (uint8_t)toupper(origin[i]);
    MUST(null || in == pml_origins_has(o, asked));
  }
  pml_origins_free(o);
  free(entry);
  free(origin);
  return 0;
}
