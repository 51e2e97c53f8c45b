/* Fed whole, fed in pieces, and read by a plain loop: the same messages, the
 * same control frames, the same close code. After an error the data before it
 * may differ by what of a text had been reported, so only its start counts. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/ws_frame.h"

#define LIMIT 300u

typedef struct {
  tape data, control;
  int open;
  pml_ws_frame *ends; /* on CLOSE */
  unsigned pause;     /* of each so many pieces half is taken only; 0: never */
  unsigned seen;
} run;

static int on_data(uint8_t op, pml_slice piece, int fin, void *ud) {
  run *r = ud;
  MUST(op == PML_WS_TEXT || op == PML_WS_BINARY);
  MUST(!r->open || r->open == op);
  size_t left = r->pause && ++r->seen % r->pause == 0 ? (piece.n + 1) / 2 : 0;
  if (left) fin = 0;
  if (!r->open) tape_put(&r->data, &op, 1);
  tape_put(&r->data, piece.p, piece.n - left);
  if (fin) tape_put(&r->data, "|", 1);
  r->open = fin ? 0 : op;
  return (int)left;
}

static int on_control(uint8_t op, pml_slice payload, void *ud) {
  run *r = ud;
  tape_put(&r->control, &op, 1);
  tape_put(&r->control, &r->data.n, sizeof r->data.n);
  tape_put(&r->control, payload.p, payload.n);
  if (op != PML_WS_CLOSE) return 0;
  if (r->ends) pml_ws_frame_fini(r->ends);
  return PML_ECLOSED;
}

static const pml_ws_frame_hooks hooks = {on_data, on_control};

static int code_ok(unsigned c) {
  return (c >= 1000 && c <= 1003) || (c >= 1007 && c <= 1014) || (c >= 3000 && c <= 4999);
}

/* One frame at a time, each byte on its own. Every reason to end is written
 * where RFC 6455 gives it. */
static int plain(const uint8_t *d, size_t n, run *r, uint16_t *code) {
  int op_of_message = 0;
  pml_utf8 text = {0};
  for (size_t i = 0; i < n;) {
    const uint8_t *h = d + i;
    size_t here = n - i;
    int op = h[0] & 15, fin = h[0] >> 7, control = op >= 8;
    *code = 1002;
    if (h[0] & 0x70 || (op > 2 && op < 8) || op > 10) return PML_EPROTO;
    if (control && !fin) return PML_EPROTO;
    if (!control && (op == 0) != (op_of_message != 0)) return PML_EPROTO;
    if (here < 2) break;
    if (!(h[1] & 0x80)) return PML_EPROTO;
    uint64_t length = h[1] & 0x7f;
    if (control && length > 125) return PML_EPROTO;
    size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (wide == 8 && here > 2 && h[2] & 0x80) return PML_ETOOBIG;
    if (here < 2 + wide) break;
    if (wide) length = 0;
    for (size_t k = 0; k < wide; k++) length = length << 8 | h[2 + k];
    if (!control && length > LIMIT) {
      *code = 1009;
      return PML_ETOOBIG;
    }
    size_t head = 2 + wide + 4;
    if (here < head) break;
    size_t have = here - head < length ? here - head : (size_t)length;
    uint8_t payload[LIMIT];
    for (size_t k = 0; k < have; k++) payload[k] = h[head + k] ^ h[2 + wide + (k & 3)];
    int whole = have == length;
    if (control) {
      if (!whole) break;
      if (op == PML_WS_CLOSE && have) {
        if (have == 1 || !code_ok((unsigned)payload[0] << 8 | payload[1])) return PML_EPROTO;
        *code = 1007;
        if (!pml_utf8_valid(payload + 2, have - 2)) return PML_EPROTO;
      }
      int rc = on_control((uint8_t)op, pml_slice_of(payload, have), r);
      if (rc) {
        *code = 0;
        return rc;
      }
    } else {
      if (op) op_of_message = op;
      *code = 1007;
      if (op_of_message == PML_WS_TEXT) {
        for (size_t k = 0; k < have; k++) {
          if (pml_utf8_feed(&text, payload + k, 1)) return PML_EPROTO;
        }
        if (whole && fin && pml_utf8_partial(&text)) return PML_EPROTO;
      }
      if (have || whole)
        on_data((uint8_t)op_of_message, pml_slice_of(payload, have), whole && fin, r);
      if (whole && fin) op_of_message = 0;
    }
    if (!whole) break;
    i += head + have;
  }
  *code = 0;
  return 0;
}

static void compare(const run *truth, const run *got, int rc) {
  if (rc == PML_EPROTO || rc == PML_ETOOBIG) {
    size_t n = truth->data.n < got->data.n ? truth->data.n : got->data.n;
    MUST(n == 0 || memcmp(truth->data.p, got->data.p, n) == 0);
  } else {
    MUST(tape_eq(&truth->data, &got->data));
  }
  MUST(tape_eq(&truth->control, &got->control));
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_ws_frame p = {0}, q = {0};
  run truth = {0}, whole = {.ends = &p}, pieces = {.ends = &q};
  uint16_t code = 0;
  int want = plain(d, n, &truth, &code);

  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  MUST(pml_ws_frame_feed(&p, copy, n, LIMIT, &hooks, &whole) == want);
  MUST(p.code == code);
  compare(&truth, &whole, want);
  free(copy);

  int rc = 0;
  pieces.pause = c.x % 4 + (c.x % 4 > 0); /* 1 would take nothing of the last byte, for ever */
  for (size_t i = 0, k; i < n && !rc; i += k) {
    k = chunks_next(&c, n - i);
    copy = malloc(k);
    memcpy(copy, d + i, k);
    rc = pml_ws_frame_feed(&q, copy, k, LIMIT, &hooks, &pieces);
    if (rc > 0) { /* what was not taken is as it came */
      k -= (size_t)rc;
      MUST(memcmp(copy + k, d + i + k, (size_t)rc) == 0);
      rc = 0;
    }
    free(copy);
  }
  MUST(rc == want);
  MUST(q.code == code);
  compare(&truth, &pieces, want);

  pml_ws_frame_fini(&p);
  pml_ws_frame_fini(&q);
  free(truth.data.p), free(truth.control.p);
  free(whole.data.p), free(whole.control.p);
  free(pieces.data.p), free(pieces.control.p);
  return 0;
}
