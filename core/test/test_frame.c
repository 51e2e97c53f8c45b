#include "wire/frame.h"

#include "test/test.h"
#include "wire/package.h"

static void check_size(size_t body, const char *ws_head) {
  uint8_t *bytes = calloc(1, body + 1);
  bytes[0] = 'x';
  pml_buf *f = pml_frame_of(PML_PKG_DATA, bytes, body);
  size_t head = strlen(ws_head) / 2;
  CHECK(f != NULL);
  pml_slice ws = pml_frame_ws(f), package = pml_frame_package(f), inner = pml_frame_body(f);
  CHECK_EQ(inner.n, body);
  CHECK_EQ(package.n, body + PML_PKG_HEAD);
  CHECK_EQ(ws.n, package.n + head);
  CHECK(ws.p >= f->data && ws.p + head == package.p && package.p + PML_PKG_HEAD == inner.p);
  CHECK(test_hex_eq(ws.p, head, ws_head));
  CHECK_EQ(package.p[0], PML_PKG_DATA);
  CHECK_EQ((size_t)package.p[1] << 16 | (size_t)package.p[2] << 8 | package.p[3], body);
  CHECK(memcmp(inner.p, bytes, body) == 0);
  pml_buf_unref(f);
  free(bytes);
}

TEST(frame_has_the_header_that_fits_its_size) {
  check_size(0, "8204");
  check_size(121, "827d");
  check_size(122, "827e007e");
  check_size(65531, "827effff");
  check_size(65532, "827f0000000000010000");
  check_size(PML_PKG_MAX, "827f0000000001000003");
}

TEST(frame_above_the_package_limit_is_refused) {
  uint8_t *bytes = calloc(1, PML_PKG_MAX + 1);
  CHECK(pml_frame_of(PML_PKG_DATA, bytes, (size_t)PML_PKG_MAX + 1) == NULL);
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_writer_put(&w, bytes, (size_t)PML_PKG_MAX + 1);
  CHECK(pml_frame_end(&w, PML_PKG_DATA) == NULL);
  CHECK_EQ(w.len, 0);
  CHECK(w.b == NULL);
  free(bytes);
}

TEST(frame_is_built_in_a_writer) {
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_writer_put(&w, "{}", 2);
  pml_buf *f = pml_frame_end(&w, PML_PKG_HANDSHAKE);
  CHECK(test_hex_eq(pml_frame_ws(f).p, pml_frame_ws(f).n, "8206010000027b7d"));
  CHECK(w.b == NULL);
  pml_buf_unref(f);
}
