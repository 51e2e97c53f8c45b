#include "wire/frame.h"

#include "wire/package.h"
#include "wire/ws_frame.h"

#include <assert.h>

/* The WebSocket header's size follows from the size of the package behind it. */
static size_t ws_room(size_t package) { return package < 126 ? 2 : package <= 0xffff ? 4 : 10; }

void pml_frame_begin(pml_writer *w) {
  assert(w->len == 0); /* ours */
  memset(pml_writer_more(w, PML_FRAME_ROOM), 0, PML_FRAME_ROOM);
}

pml_buf *pml_frame_end(pml_writer *w, uint8_t package_type) {
  assert(w->len >= PML_FRAME_ROOM); /* ours: begun with pml_frame_begin */
  size_t body = w->len - PML_FRAME_ROOM;
  if (body > PML_PKG_MAX) {
    pml_writer_drop(w);
    return NULL;
  }
  size_t package = PML_PKG_HEAD + body, room = ws_room(package);
  uint8_t head[10], *at = pml_writer_at(w, PML_FRAME_ROOM - PML_PKG_HEAD);
  pml_package_write_head(at, package_type, body);
  size_t n = pml_ws_frame_write_head(head, PML_WS_BINARY, 1, package);
  assert(n == room); /* ours */
  memcpy(at - room, head, n);
  return pml_writer_finish(w);
}

pml_buf *pml_frame_of(uint8_t package_type, const void *body, size_t n) {
  if (n > PML_PKG_MAX) return NULL;
  pml_writer w = {0};
  pml_writer_grow(&w, PML_FRAME_ROOM + n);
  pml_frame_begin(&w);
  pml_writer_put(&w, body, n);
  return pml_frame_end(&w, package_type);
}

pml_slice pml_frame_ws(const pml_buf *frame) {
  pml_slice s = pml_frame_package(frame);
  size_t room = ws_room(s.n);
  return pml_slice_of(s.p - room, s.n + room);
}

pml_slice pml_frame_package(const pml_buf *frame) {
  size_t off = PML_FRAME_ROOM - PML_PKG_HEAD;
  assert(frame->len >= PML_FRAME_ROOM); /* ours: frames are made here */
  return pml_slice_of(frame->data + off, frame->len - off);
}

pml_slice pml_frame_body(const pml_buf *frame) {
  assert(frame->len >= PML_FRAME_ROOM); /* ours, as above */
  return pml_slice_of(frame->data + PML_FRAME_ROOM, frame->len - PML_FRAME_ROOM);
}
