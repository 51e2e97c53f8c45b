/* Any bytes are read or refused; what is read is written as the same bytes.
 * And an envelope made of the input comes back as it went. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/envelope.h"

static void same(const pml_envelope *a, const pml_envelope *b) {
  MUST(a->kind == b->kind && a->flags == b->flags && a->status == b->status);
  MUST(a->msg_type == b->msg_type && a->ms == b->ms);
  MUST(a->msg_id == b->msg_id && a->call == b->call && a->session == b->session);
  MUST(a->from_incarnation == b->from_incarnation && a->to_incarnation == b->to_incarnation);
  MUST(a->identity == b->identity);
  MUST(pml_slice_eq(a->from, b->from) && pml_slice_eq(a->route, b->route));
  MUST(pml_slice_eq(a->settings, b->settings) && pml_slice_eq(a->param, b->param));
  MUST(!a->uid.s == !b->uid.s && pml_uid_eq(a->uid, b->uid));
  MUST(!a->uid.s || !a->uid.is_number == !b->uid.is_number);
}

typedef struct {
  const uint8_t *p;
  size_t n;
} input;

static uint64_t number(input *in) {
  uint64_t v = 0;
  for (int i = 0; i < 8 && in->n; i++, in->p++, in->n--) v = v << 8 | *in->p;
  return v;
}

static pml_slice text(input *in) {
  if (in->n == 0) return pml_slice_of(NULL, 0);
  size_t n = *in->p++;
  in->n--;
  if (n > in->n) n = in->n;
  pml_slice s = pml_slice_of(in->p, n);
  in->p += n;
  in->n -= n;
  return s;
}

static void read_any(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_envelope e;
  int rc = pml_envelope_read(pml_slice_of(copy, n), &e);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc == 0) {
    pml_buf *b = pml_envelope_write(&e);
    MUST(pml_slice_eq(pml_buf_slice(b), pml_slice_of(copy, n)));
    pml_buf_unref(b);
  }
  free(copy);
}

static void write_any(const uint8_t *d, size_t n) {
  input in = {d, n};
  uint64_t bits = number(&in);
  pml_envelope e = {
    .kind = (uint8_t)(1 + bits % PML_ENV_INTEREST),
    .flags = (uint8_t)(bits >> 8),
    .status = (uint8_t)(bits >> 16),
    .msg_type = (uint8_t)(bits >> 24),
    .ms = (uint32_t)number(&in),
    .msg_id = (uint32_t)number(&in),
    .call = number(&in),
    .session = number(&in),
    .from_incarnation = number(&in),
    .to_incarnation = number(&in),
    .identity = number(&in),
    .from = text(&in),
    .route = text(&in),
    .settings = text(&in),
    .param = text(&in),
  };
  pml_slice uid = text(&in);
  if (bits >> 48 & 1)
    e.uid = (pml_uid){uid.p ? (const char *)uid.p : "", (uint32_t)uid.n, bits >> 49 & 1};
  pml_buf *b = pml_envelope_write(&e);
  pml_envelope back;
  MUST(pml_envelope_read(pml_buf_slice(b), &back) == 0);
  same(&e, &back);
  for (uint32_t k = 0; k < b->len; k += 1 + b->len / 16)
    MUST(pml_envelope_read(pml_slice_of(b->data, k), &back) == PML_EPROTO);
  pml_buf_unref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  read_any(d, n);
  write_any(d, n);
  return 0;
}
