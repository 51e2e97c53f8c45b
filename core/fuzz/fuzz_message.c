/* What is read can be written, and reads as the same again. When the id was in
 * its shortest form and no stray bit was set, the bytes are the same, too. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_message_view m, again;
  int rc = pml_message_read(pml_slice_of(copy, n), &m);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc == 0) {
    MUST(m.id <= PML_MSG_ID_MAX && m.route.n <= PML_MSG_ROUTE_MAX);
    MUST(m.body.p + m.body.n == copy + n);
    MUST(!m.compressed || m.route.n == 0);
    pml_writer w = {0};
    MUST(pml_message_write_head(&w, &m) == 0);
    size_t head = n - m.body.n;
    MUST(w.len <= head);
    if (w.len == head) {
      uint8_t stray = m.type == 2 || m.type > 3 ? 0xe1 : 0xe0;
      MUST(*pml_writer_at(&w, 0) == (copy[0] & ~stray));
      MUST(memcmp(pml_writer_at(&w, 0) + 1, copy + 1, head - 1) == 0);
    }
    pml_writer_put(&w, m.body.p, m.body.n);
    pml_buf *b = pml_writer_finish(&w);
    MUST(pml_message_read(pml_buf_slice(b), &again) == 0);
    MUST(again.type == m.type && again.compressed == m.compressed && again.gzip == m.gzip);
    MUST(again.id == m.id && again.code == m.code);
    MUST(pml_slice_eq(again.route, m.route) && pml_slice_eq(again.body, m.body));
    pml_buf_unref(b);
  }
  free(copy);
  return 0;
}
