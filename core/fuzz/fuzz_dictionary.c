/* Pairs from the fuzzer, each [code u16][length u8][route], against the same pairs read one by one
 * as the truth. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/dictionary.h"
#include "wire/utf8.h"

#define PAIRS 256

static size_t pairs_of(const uint8_t *d, size_t n, pml_dictionary_pair *pairs) {
  size_t count = 0;
  while (n >= 3 && count < PAIRS) {
    size_t len = d[2] < n - 3 ? d[2] : n - 3;
    pairs[count].code = (uint16_t)(d[0] << 8 | d[1]);
    pairs[count++].route = pml_slice_of(d + 3, len);
    d += 3 + len;
    n -= 3 + len;
  }
  return count;
}

static int is_good(const pml_dictionary_pair *pairs, size_t n) {
  for (size_t i = 0; i < n; i++) {
    pml_slice route = pairs[i].route;
    if (pairs[i].code == 0 || route.n == 0 || !pml_utf8_valid(route.p, route.n)) return 0;
    for (size_t k = 0; k < i; k++)
      if (pairs[k].code == pairs[i].code) return 0;
  }
  return 1;
}

static void look_up(const pml_dictionary *d, const pml_dictionary_pair *pairs, size_t n) {
  for (size_t i = 0; i < n; i++) {
    size_t last = i;
    for (size_t k = i + 1; k < n; k++)
      if (pml_slice_eq(pairs[k].route, pairs[i].route)) last = k;
    MUST(pml_dictionary_code(d, pairs[i].route) == pairs[last].code);
    MUST(pml_slice_eq(pml_dictionary_route(d, pairs[i].code), pairs[i].route));
  }
  size_t known = 0;
  for (unsigned code = 0; code <= PML_DICTIONARY_MAX; code++)
    known += pml_dictionary_route(d, (uint16_t)code).p != NULL;
  MUST(known == n && pml_dictionary_count(d) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  static pml_dictionary_pair pairs[PAIRS];
  pml_dictionary *dict = NULL;
  size_t count = pairs_of(d, n, pairs);
  int rc = pml_dictionary_new(pairs, count, &dict);
  MUST((rc == 0) == is_good(pairs, count) && (rc == 0) == (dict != NULL));
  if (rc) return 0;
  look_up(dict, pairs, count);
  MUST(pml_dictionary_code(dict, pml_slice_of("\xff", 1)) == 0);
  MUST(strlen(pml_dictionary_version(dict)) == PML_DICTIONARY_VERSION);
  pml_writer w = {0};
  pml_dictionary_put_fields(dict, &w);
  pml_buf *text = pml_writer_finish(&w);
  MUST(pml_utf8_valid(text->data, text->len));
  pml_buf_unref(text);
  pml_dictionary_unref(dict);
  return 0;
}
