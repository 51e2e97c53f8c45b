/* Any bytes are read or refused; what is read is written as the same bytes. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/bus_mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  pml_bus_mail m;
  memcpy(copy, d, n);
  int rc = pml_bus_mail_read(pml_slice_of(copy, n), &m);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc == 0) {
    pml_writer w = {0};
    MUST(pml_bus_is_process(m.process));
    pml_bus_mail_put(&w, &m);
    MUST(pml_slice_eq(pml_slice_of(pml_writer_at(&w, 0), w.len), pml_slice_of(copy, n)));
    pml_writer_drop(&w);
  }
  free(copy);
  return 0;
}
