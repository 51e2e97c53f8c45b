/* Any bytes are read or refused; what is read is written as the same bytes, and its channels take
 * up the whole of it. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/interest_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  pml_interest_list l;
  pml_slice name;
  int there;
  int rc = pml_interest_list_read(pml_slice_of(data, size), &l);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc) return 0;
  pml_writer w = {0};
  pml_interest_list_begin(&w, &l);
  pml_slice rest = l.channels;
  while (pml_interest_list_next(&rest, &name, &there)) {
    MUST(name.p >= data && name.p + name.n <= data + size);
    MUST(there == 0 || there == 1);
    pml_interest_list_put(&w, name, there);
  }
  MUST(rest.n == 0);
  pml_buf *b = pml_writer_finish(&w);
  MUST(pml_slice_eq(pml_buf_slice(b), pml_slice_of(data, size)));
  pml_buf_unref(b);
  return 0;
}
