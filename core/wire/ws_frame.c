#include "wire/ws_frame.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>

#define FIN 0x80u
#define RESERVED 0x70u
#define OPCODE 0x0fu
#define MASKED 0x80u
#define LENGTH 0x7fu
#define CONTROL_MAX 125u

static int is_control(unsigned op) { return op >= PML_WS_CLOSE; }

static int fail(pml_ws_frame *p, int err, uint16_t code) {
  p->code = code;
  return err;
}

/* Checks what is there of a frame header, have bytes of it, and returns how
 * many bytes it will have as far as is known; an error otherwise. A header is
 * refused at its first wrong byte. */
static int check_head(pml_ws_frame *p, const uint8_t *h, size_t have, uint64_t limit) {
  unsigned op = h[0] & OPCODE;
  if (h[0] & RESERVED) return fail(p, PML_EPROTO, PML_WS_PROTOCOL);
  if (op > PML_WS_PONG || (op > PML_WS_BINARY && !is_control(op)))
    return fail(p, PML_EPROTO, PML_WS_PROTOCOL);
  if (is_control(op) ? !(h[0] & FIN) : (op == PML_WS_CONT) != (p->op != 0))
    return fail(p, PML_EPROTO, PML_WS_PROTOCOL);
  if (have < 2) return 2;
  unsigned n = h[1] & LENGTH;
  if (!(h[1] & MASKED) || (is_control(op) && n > CONTROL_MAX))
    return fail(p, PML_EPROTO, PML_WS_PROTOCOL);
  unsigned wide = n == 126 ? 2 : n == 127 ? 8 : 0;
  if (n == 127 && have > 2 && h[2] & 0x80) return fail(p, PML_ETOOBIG, PML_WS_PROTOCOL);
  if (!is_control(op) && have >= 2 + wide) {
    uint64_t length = wide ? 0 : n;
    for (unsigned i = 0; i < wide; i++) length = length << 8 | h[2 + i];
    if (length > limit) return fail(p, PML_ETOOBIG, PML_WS_TOO_BIG);
    p->left = length;
  } else {
    p->left = n;
  }
  return (int)(2 + wide + 4);
}

/* Takes a frame header. 1: taken, 0: it needs more bytes. */
static int take_head(pml_ws_frame *p, uint8_t **at, const uint8_t *end, uint64_t limit) {
  const uint8_t *h = *at;
  size_t here = (size_t)(end - *at);
  if (p->nhead == 0) {
    int need = check_head(p, h, here, limit);
    if (need < 0) return need;
    if (here < (size_t)need) {
      memcpy(p->head, h, here);
      p->nhead = (uint8_t)here;
      return 0;
    }
    *at += need;
  } else {
    /* A cut header is rare: byte by byte will do. */
    for (;;) {
      int need = check_head(p, p->head, p->nhead, limit);
      if (need < 0) return need;
      if (p->nhead == need) break;
      if (*at == end) return 0;
      p->head[p->nhead++] = *(*at)++;
    }
    p->nhead = 0;
    h = p->head;
  }
  unsigned op = h[0] & OPCODE, n = h[1] & LENGTH;
  memcpy(p->mask, h + 2 + (n == 126 ? 2 : n == 127 ? 8 : 0), 4);
  p->mask_at = 0;
  p->in_payload = 1;
  p->fin = (h[0] & FIN) != 0;
  p->ctl_op = is_control(op) ? (uint8_t)op : 0;
  if (op == PML_WS_TEXT || op == PML_WS_BINARY) p->op = (uint8_t)op;
  return 1;
}

static void unmask(pml_ws_frame *p, uint8_t *bytes, size_t n) {
  uint8_t mask[8];
  for (unsigned i = 0; i < 8; i++) mask[i] = p->mask[(p->mask_at + i) & 3];
  uint64_t wide;
  memcpy(&wide, mask, 8);
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    uint64_t v;
    memcpy(&v, bytes + i, 8);
    v ^= wide;
    memcpy(bytes + i, &v, 8);
  }
  for (; i < n; i++) bytes[i] ^= mask[i & 7];
  p->mask_at = (uint8_t)((p->mask_at + n) & 3);
}

/* RFC 6455 7.4 and the registry behind it: 1004 is reserved; 1005, 1006 and
 * 1015 never travel. */
static int code_allowed(unsigned code) {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

static int check_close(pml_ws_frame *p, pml_slice payload) {
  if (payload.n == 0) return 0;
  if (payload.n == 1 || !code_allowed((unsigned)payload.p[0] << 8 | payload.p[1]))
    return fail(p, PML_EPROTO, PML_WS_PROTOCOL);
  if (!pml_utf8_valid(payload.p + 2, payload.n - 2)) return fail(p, PML_EPROTO, PML_WS_BAD_DATA);
  return 0;
}

/* The parser stands after the frame before a hook is called, because the hook
 * may end the connection and the parser with it. */
static int take_control(pml_ws_frame *p, uint8_t **at, const uint8_t *end,
                        const pml_ws_frame_hooks *hooks, void *ud) {
  size_t here = (size_t)(end - *at);
  uint8_t *bytes = *at, *kept = NULL;
  size_t n = here < p->left ? here : (size_t)p->left;
  unmask(p, bytes, n);
  *at += n;
  p->left -= n;
  if (p->left || p->ctl) {
    if (!p->ctl) p->ctl = pml_alloc(CONTROL_MAX);
    memcpy(p->ctl + p->nctl, bytes, n);
    p->nctl = (uint8_t)(p->nctl + n);
    if (p->left) return 0;
    bytes = kept = p->ctl;
    n = p->nctl;
    p->ctl = NULL;
    p->nctl = 0;
  }
  uint8_t op = p->ctl_op;
  p->ctl_op = 0;
  p->in_payload = 0;
  if (!p->op) p->whole++;
  pml_slice payload = pml_slice_of(bytes, n);
  int rc = op == PML_WS_CLOSE ? check_close(p, payload) : 0;
  if (rc == 0) rc = hooks->on_control(op, payload, ud);
  pml_free(kept);
  return rc;
}

/* The last `left` bytes of a piece were not taken: the parser stands before them again. */
static void give_back(pml_ws_frame *p, uint8_t op, pml_utf8 before, uint8_t *bytes, size_t n,
                      size_t left) {
  p->op = op;
  p->in_payload = 1;
  p->left += left;
  p->mask_at = (uint8_t)((p->mask_at - left) & 3);
  unmask(p, bytes + n - left, left); /* masking twice restores */
  p->mask_at = (uint8_t)((p->mask_at - left) & 3);
  if (op != PML_WS_TEXT) return;
  p->utf8 = before;
  pml_utf8_feed(&p->utf8, bytes, n - left); /* it was good */
}

static int take_data(pml_ws_frame *p, uint8_t **at, const uint8_t *end,
                     const pml_ws_frame_hooks *hooks, void *ud) {
  size_t here = (size_t)(end - *at);
  uint8_t *bytes = *at, op = p->op;
  size_t n = here < p->left ? here : (size_t)p->left;
  unmask(p, bytes, n);
  *at += n;
  p->left -= n;
  int last = p->left == 0 && p->fin;
  pml_utf8 before = p->utf8;
  if (op == PML_WS_TEXT) {
    if (pml_utf8_feed(&p->utf8, bytes, n) || (last && pml_utf8_partial(&p->utf8)))
      return fail(p, PML_EPROTO, PML_WS_BAD_DATA);
  }
  if (p->left == 0) p->in_payload = 0;
  if (last) {
    p->op = 0;
    p->whole++;
  }
  int rc = hooks->on_data(op, pml_slice_of(bytes, n), last, ud);
  if (rc <= 0) return rc;
  give_back(p, op, before, bytes, n, (size_t)rc);
  return (int)((size_t)rc + (size_t)(end - *at));
}

int pml_ws_frame_feed(pml_ws_frame *p, uint8_t *bytes, size_t n, uint64_t limit,
                      const pml_ws_frame_hooks *hooks, void *ud) {
  if (n == 0) return 0;
  uint8_t *at = bytes;
  const uint8_t *end = bytes + n;
  while (at < end) {
    int rc = p->in_payload ? 1 : take_head(p, &at, end, limit);
    if (rc <= 0) return rc;
    if (at == end && p->left) return 0;
    rc = p->ctl_op ? take_control(p, &at, end, hooks, ud) : take_data(p, &at, end, hooks, ud);
    if (rc) return rc;
  }
  return 0;
}

uint32_t pml_ws_frame_number(const pml_ws_frame *p) {
  return p->op || p->nhead || p->in_payload ? p->whole + 1u : 0;
}

void pml_ws_frame_fini(pml_ws_frame *p) {
  pml_free(p->ctl);
  memset(p, 0, sizeof *p);
}

size_t pml_ws_frame_write_head(uint8_t out[10], uint8_t op, int fin, uint64_t n) {
  out[0] = (uint8_t)(op | (fin ? FIN : 0));
  if (n < 126) {
    out[1] = (uint8_t)n;
    return 2;
  }
  unsigned wide = n <= 0xffff ? 2 : 8;
  out[1] = wide == 2 ? 126 : 127;
  for (unsigned i = 0; i < wide; i++) out[2 + i] = (uint8_t)(n >> (8 * (wide - 1 - i)));
  return 2 + wide;
}

pml_buf *pml_ws_frame_control(uint8_t op, const void *payload, size_t n) {
  assert(is_control(op) && n <= CONTROL_MAX); /* ours */
  pml_buf *b = pml_buf_new(2 + n);
  pml_ws_frame_write_head(b->data, op, 1, n);
  if (n) memcpy(b->data + 2, payload, n);
  return b;
}

pml_buf *pml_ws_frame_close(uint16_t code, const char *reason) {
  if (code == PML_WS_NO_STATUS || code == PML_WS_ABNORMAL)
    return pml_ws_frame_control(PML_WS_CLOSE, NULL, 0);
  uint8_t payload[CONTROL_MAX];
  size_t n = reason ? strlen(reason) : 0;
  if (n > CONTROL_MAX - 2) {
    n = CONTROL_MAX - 2;
    while (n && ((uint8_t)reason[n] & 0xc0) == 0x80) n--; /* no half character */
  }
  payload[0] = (uint8_t)(code >> 8);
  payload[1] = (uint8_t)code;
  if (n) memcpy(payload + 2, reason, n);
  return pml_ws_frame_control(PML_WS_CLOSE, payload, 2 + n);
}
