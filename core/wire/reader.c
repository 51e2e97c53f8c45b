#include "wire/reader.h"

#include "base/err.h"
#include "wire/package.h"

enum { UNDECIDED, HTTP, PACKAGES, FRAMES };

/* What the hooks of wire/ws_frame are given. */
typedef struct {
  const pml_reader_hooks *hooks;
  void *ud;
} receiver;

static int on_data(uint8_t op, pml_slice piece, int fin, void *ud) {
  const receiver *to = ud;
  return to->hooks->piece(op == PML_WS_TEXT ? PML_TEXT : PML_BINARY, piece, fin, to->ud);
}

static int on_control(uint8_t op, pml_slice payload, void *ud) {
  const receiver *to = ud;
  if (op == PML_WS_PING)
    return to->hooks->reply(pml_ws_frame_control(PML_WS_PONG, payload.p, payload.n), to->ud);
  if (op == PML_WS_PONG) return to->hooks->pong ? to->hooks->pong(to->ud) : 0;
  uint16_t code = payload.n < 2 ? PML_WS_NO_STATUS : (uint16_t)(payload.p[0] << 8 | payload.p[1]);
  size_t back = payload.n < 2 ? 0 : 2; /* the code, without the reason */
  to->hooks->closed(code, pml_ws_frame_control(PML_WS_CLOSE, payload.p, back), to->ud);
  return PML_ECLOSED;
}

static int feed_frames(pml_reader *r, uint8_t *p, size_t n, uint64_t frame_max,
                       const pml_reader_hooks *hooks, void *ud) {
  static const pml_ws_frame_hooks own = {on_data, on_control};
  receiver to = {hooks, ud};
  int rc = pml_ws_frame_feed(&r->in.frame, p, n, frame_max, &own, &to);
  r->code = r->in.frame.code;
  return rc;
}

static int feed_http(pml_reader *r, uint8_t *p, size_t n, uint64_t frame_max,
                     const pml_reader_hooks *hooks, void *ud) {
  pml_ws_handshake_result result;
  int fed = pml_ws_handshake_feed(&r->in.shake, p, n, &result);
  if (fed) return fed == PML_EAGAIN ? 0 : fed;
  int refused = result.status == 101 && hooks->request ? hooks->request(result.head, ud) : 0;
  if (refused) pml_ws_handshake_refuse(&result, refused);
  if (result.status != 101) {
    hooks->refused(result.answer, ud);
    return PML_ECLOSED;
  }
  pml_ws_handshake_fini(&r->in.shake);
  memset(&r->in.frame, 0, sizeof r->in.frame);
  r->state = FRAMES;
  int rc = hooks->reply(result.answer, ud);
  if (!rc) rc = hooks->opened(1, ud);
  if (rc || n == result.used) return rc;
  return feed_frames(r, p + result.used, n - result.used, frame_max, hooks, ud);
}

int pml_reader_feed(pml_reader *r, uint8_t *bytes, size_t n, uint64_t frame_max,
                    const pml_reader_hooks *hooks, void *ud) {
  if (n == 0) return 0;
  if (r->state == UNDECIDED) {
    if (bytes[0] >= 'A' && bytes[0] <= 'Z') {
      r->state = HTTP;
    } else if (bytes[0] >= PML_PKG_HANDSHAKE && bytes[0] <= PML_PKG_KICK) {
      r->state = PACKAGES;
      int rc = hooks->opened(0, ud);
      if (rc) return rc;
    } else {
      return PML_EPROTO;
    }
  }
  if (r->state == PACKAGES) return hooks->piece(PML_STREAM, pml_slice_of(bytes, n), 0, ud);
  if (r->state == FRAMES) return feed_frames(r, bytes, n, frame_max, hooks, ud);
  return feed_http(r, bytes, n, frame_max, hooks, ud);
}

uint32_t pml_reader_number(const pml_reader *r) {
  if (r->state == HTTP) return 1;
  return r->state == FRAMES ? pml_ws_frame_number(&r->in.frame) : 0;
}

uint32_t pml_reader_held(const pml_reader *r) { return r->state == HTTP ? r->in.shake.cap : 0; }

void pml_reader_fini(pml_reader *r) {
  if (r->state == HTTP) pml_ws_handshake_fini(&r->in.shake);
  if (r->state == FRAMES) pml_ws_frame_fini(&r->in.frame);
  *r = (pml_reader){0};
}
