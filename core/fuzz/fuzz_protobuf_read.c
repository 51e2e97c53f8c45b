/* What is read is JSON that fits the definition unless a required field is missing, and its bytes
 * read as the same JSON again. */
#include "base/err.h"
#include "fuzz/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  const pml_proto *m = messages();
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_writer json = {0}, bytes = {0}, again = {0};
  pml_protobuf_error err;
  int rc = pml_protobuf_decode(m, pml_slice_of(copy, n), &json);
  free(copy);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc) {
    MUST(json.len == 0);
  } else {
    MUST(json.len >= 2);
    pml_slice text = pml_slice_of(pml_writer_at(&json, 0), json.len);
    rc = pml_protobuf_encode(m, text, PML_PROTOBUF_EMPTY, &bytes, &err);
    if (rc) MUST(rc == PML_EINVAL && strcmp(err.what, "it is required, and missing") == 0);
  }
  if (rc == 0) {
    pml_slice written =
      bytes.len ? pml_slice_of(pml_writer_at(&bytes, 0), bytes.len) : pml_slice_of(NULL, 0);
    MUST(pml_protobuf_decode(m, written, &again) == 0);
    /* Empty arrays have no bytes: with them the second text is the shorter one. */
    MUST(again.len <= json.len);
    if (again.len == json.len)
      MUST(memcmp(pml_writer_at(&again, 0), pml_writer_at(&json, 0), json.len) == 0);
  }
  pml_writer_drop(&json);
  pml_writer_drop(&bytes);
  pml_writer_drop(&again);
  return 0;
}
