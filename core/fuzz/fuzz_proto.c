/* The parsed form of a set is JSON, and has a version; a route that the set has is found. */
#include "fuzz/chunks.h"
#include "wire/jsonread.h"
#include "wire/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_protos_error err;
  if (n < 1) return 0;
  size_t half = d[0] < n ? d[0] : n - 1;
  pml_protos *p =
    pml_protos_new(pml_slice_of(d + 1, half), pml_slice_of(d + 1 + half, n - 1 - half), &err);
  if (!p) return 0;
  MUST(strlen(pml_protos_version(p)) == (n > 1 ? 24 : 0));
  pml_jsonread r;
  pml_token t, key = {0};
  pml_jsonread_init(&r, pml_buf_slice(pml_protos_json(p)));
  do {
    MUST(pml_jsonread_next(&r, &t) == 0);
    if (t.kind == PML_TOKEN_KEY) key = t;
    if (t.kind == PML_TOKEN_OBJECT && r.depth == 3 &&
        (key.text.n < 8 || memcmp(key.text.p, "message ", 8) != 0))
      MUST(pml_protos_server(p, key.text) || pml_protos_client(p, key.text));
  } while (t.kind != PML_TOKEN_END);
  pml_protos_unref(p);
  return 0;
}
