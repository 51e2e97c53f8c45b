/* Levels open and close in pairs, keys stand in objects only, a skip ends where reading token by
 * token ends, texts are valid UTF-8, and numbers are finite. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/jsonread.h"
#include "wire/utf8.h"

#include <math.h>

static void look(const pml_token *t, size_t n) {
  if (t->kind == PML_TOKEN_KEY || t->kind == PML_TOKEN_STRING) {
    pml_writer w = {0};
    pml_jsonread_text(&w, t);
    MUST(w.len <= 3 * t->text.n && t->text.n <= n);
    if (w.len) MUST(pml_utf8_valid(pml_writer_at(&w, 0), w.len));
    pml_writer_drop(&w);
  } else if (t->kind == PML_TOKEN_NUMBER) {
    double d = 1;
    int rc = pml_jsonread_number(t->text, &d);
    MUST(rc == 0 || rc == PML_ETOOBIG);
    MUST(isfinite(d));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_jsonread r, skipping;
  pml_token t, first;
  pml_jsonread_init(&r, pml_slice_of(copy, n));
  skipping = r;
  int skipped = pml_jsonread_next(&skipping, &first);
  if (!skipped) skipped = pml_jsonread_skip(&skipping, &first);
  unsigned depth = 0;
  int rc;
  while ((rc = pml_jsonread_next(&r, &t)) == 0 && t.kind != PML_TOKEN_END) {
    if (t.kind == PML_TOKEN_OBJECT || t.kind == PML_TOKEN_ARRAY) depth++;
    if (t.kind == PML_TOKEN_OBJECT_END || t.kind == PML_TOKEN_ARRAY_END) depth--;
    MUST(depth == r.depth && depth <= PML_JSONREAD_DEPTH);
    MUST(t.text.p >= copy && t.text.p + t.text.n <= copy + n);
    look(&t, n);
    if (depth == 0) MUST(skipped == 0 && pml_jsonread_offset(&skipping) == pml_jsonread_offset(&r));
  }
  MUST(rc == 0 || rc == PML_EPROTO || rc == PML_ETOOBIG);
  if (rc == 0) MUST(depth == 0);
  if (rc) MUST(pml_jsonread_next(&r, &t) != 0);
  free(copy);
  return 0;
}
