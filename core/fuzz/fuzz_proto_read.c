/* A file of definitions is read as a whole or refused with a reason; every field of what was read
 * can be found by its name and its tag. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/proto_read.h"

static void look(const pml_proto *m) {
  for (; m; m = m->next) {
    MUST(m->count <= PML_PROTO_FIELDS_MAX);
    for (uint32_t i = 0; i < m->count; i++) {
      const pml_proto_field *f = &m->fields[i];
      MUST(f->tag >= 1 && f->tag <= PML_PROTO_TAG_MAX);
      MUST(pml_proto_by_tag(m, f->tag) == f && pml_proto_by_name(m, f->name) == f);
      MUST((f->kind == PML_PROTO_MESSAGE) == (f->message != NULL));
    }
    look(m->nested);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml__proto_file f = {0};
  pml_protos_error err = {0};
  int rc = pml__proto_read(&f, pml_slice_of(copy, n), &err);
  MUST(rc == 0 || rc == PML_EINVAL);
  if (rc) MUST(f.first == NULL && err.what[0] && err.line > 0);
  free(copy); /* nothing borrows the text */
  look(f.first);
  pml__proto_file_fini(&f);
  return 0;
}
