/* A text fits or not, whether it is only checked or encoded; the mended text has the same bytes
 * and needs no mending; what was encoded can be read. */
#include "base/err.h"
#include "fuzz/messages.h"

static int encode(const pml_proto *m, pml_slice json, unsigned flags, pml_writer *w) {
  pml_protobuf_error err = {0};
  int rc = pml_protobuf_encode(m, json, flags, w, &err);
  MUST(rc == 0 || (rc == PML_EINVAL && err.what[0] && w->len == 0));
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  const pml_proto *m = messages();
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_slice json = pml_slice_of(copy, n);
  pml_writer w = {0}, again = {0}, old = {0}, fixed = {0}, back = {0};
  pml_protobuf_error err;
  int rc = encode(m, json, 0, &w), checked = pml_protobuf_check(m, json, &fixed, &err);
  MUST(checked == rc || (rc == 0 && checked == 1));
  if (checked == 1) {
    pml_slice mended = pml_slice_of(pml_writer_at(&fixed, 0), fixed.len);
    MUST(encode(m, mended, 0, &again) == 0);
    MUST(again.len == w.len && memcmp(pml_writer_at(&again, 0), pml_writer_at(&w, 0), w.len) == 0);
    pml_writer none = {0};
    MUST(pml_protobuf_check(m, mended, &none, &err) == 0 && none.len == 0);
  } else {
    MUST(fixed.len == 0);
  }
  if (rc == 0) {
    MUST(w.len > 0 && encode(m, json, PML_PROTOBUF_CESU8, &old) == 0 && old.len >= w.len);
    MUST(pml_protobuf_decode(m, pml_slice_of(pml_writer_at(&w, 0), w.len), &back) == 0);
    size_t len = back.len;
    MUST(pml_protobuf_decode(m, pml_slice_of(pml_writer_at(&old, 0), old.len), &back) == 0);
    MUST(back.len == 2 * len &&
         memcmp(pml_writer_at(&back, 0), pml_writer_at(&back, len), len) == 0);
  }
  pml_writer *all[] = {&w, &again, &old, &fixed, &back};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) pml_writer_drop(all[i]);
  free(copy);
  return 0;
}
