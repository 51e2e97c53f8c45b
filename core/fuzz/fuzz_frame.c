/* A frame of any size and bytes reads back with the two parsers. The first
 * three bytes stretch the body beyond what a fuzzer would write. */
#include "fuzz/chunks.h"
#include "wire/frame.h"
#include "wire/package.h"
#include "wire/ws_frame.h"

typedef struct {
  tape heard;
  uint8_t type;
  int count;
} run;

static int on_package(uint8_t type, pml_slice body, void *ud) {
  run *r = ud;
  r->type = type;
  r->count++;
  tape_put(&r->heard, body.p, body.n);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 3) return 0;
  uint8_t type = (uint8_t)(1 + d[0] % 5);
  size_t size = n - 3 + ((size_t)d[1] << 8 | d[2]) * (d[0] & 0x80 ? 2 : 1);
  uint8_t *body = calloc(1, size ? size : 1);
  memcpy(body, d + 3, n - 3);
  pml_buf *f = pml_frame_of(type, body, size);
  pml_slice ws = pml_frame_ws(f), package = pml_frame_package(f);
  MUST(pml_slice_eq(pml_frame_body(f), pml_slice_of(body, size)));

  size_t head = ws.n - package.n;
  MUST(ws.p[0] == (0x80 | PML_WS_BINARY) && !(ws.p[1] & 0x80));
  size_t length = ws.p[1];
  for (size_t i = 2; i < head; i++) length = (i == 2 ? 0 : length << 8) | ws.p[i];
  MUST(length == package.n);
  MUST(head == (length < 126 ? 2u : length < 65536 ? 4u : 10u));

  pml_package_parser p = {0};
  run r = {0};
  uint32_t limit = PML_PKG_MAX;
  MUST(pml_package_feed(&p, package.p, package.n, &limit, on_package, &r) == 0);
  MUST(r.count == 1 && r.type == type && r.heard.n == size);
  MUST(size == 0 || memcmp(r.heard.p, body, size) == 0);

  pml_writer w = {0};
  pml_frame_begin(&w);
  for (size_t i = 0; i < size; i += 1000)
    pml_writer_put(&w, body + i, size - i < 1000 ? size - i : 1000);
  pml_buf *g = pml_frame_end(&w, type);
  MUST(pml_slice_eq(pml_frame_ws(g), ws));

  pml_buf_unref(f);
  pml_buf_unref(g);
  free(r.heard.p);
  free(body);
  return 0;
}
