/* Version 2. Numbers are big-endian.
 *
 *    0 version u8   1 kind u8    2 flags u8   3 status u8
 *    4 msg_type u8  5 uid u8: 0 none, 1 text, 2 number
 *    6 group u16    8 ms u32    12 msg_id u32
 *   16 call u64    24 session u64
 *   32 from_incarnation u64   40 to_incarnation u64
 *   48 lengths u32: from, route, uid, settings, param
 *   68 their bytes, in this order, and nothing after them */
#include "wire/envelope.h"

#include "base/err.h"

#include <assert.h>

#define VERSION 2
#define TEXTS 5
#define LENGTHS 48
#define HEAD (LENGTHS + 4 * TEXTS)

enum { UID_NONE, UID_TEXT, UID_NUMBER };

static void put16(uint8_t *p, uint16_t v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v) {
  put16(p, (uint16_t)(v >> 16));
  put16(p + 2, (uint16_t)v);
}
static void put64(uint8_t *p, uint64_t v) {
  put32(p, (uint32_t)(v >> 32));
  put32(p + 4, (uint32_t)v);
}
static uint16_t get16(const uint8_t *p) { return (uint16_t)((unsigned)p[0] << 8 | p[1]); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static uint64_t get64(const uint8_t *p) { return (uint64_t)get32(p) << 32 | get32(p + 4); }

void pml_envelope_put(pml_writer *w, const pml_envelope *e) {
  assert(!e->uid.s || e->uid.n <= PML_UID_MAX); /* ours: the binding refuses longer ones */
  const pml_slice texts[TEXTS] = {
    e->from, e->route, pml_slice_of(e->uid.s, e->uid.s ? e->uid.n : 0), e->settings, e->param,
  };
  size_t total = HEAD;
  for (int i = 0; i < TEXTS; i++) total += texts[i].n;
  uint8_t *p = pml_writer_more(w, total);
  p[0] = VERSION;
  p[1] = e->kind;
  p[2] = e->flags;
  p[3] = e->status;
  p[4] = e->msg_type;
  p[5] = !e->uid.s ? UID_NONE : e->uid.is_number ? UID_NUMBER : UID_TEXT;
  put16(p + 6, e->group);
  put32(p + 8, e->ms);
  put32(p + 12, e->msg_id);
  put64(p + 16, e->call);
  put64(p + 24, e->session);
  put64(p + 32, e->from_incarnation);
  put64(p + 40, e->to_incarnation);
  uint8_t *at = p + HEAD;
  for (int i = 0; i < TEXTS; i++) {
    put32(p + LENGTHS + 4 * i, (uint32_t)texts[i].n);
    if (texts[i].n) memcpy(at, texts[i].p, texts[i].n);
    at += texts[i].n;
  }
}

pml_buf *pml_envelope_write(const pml_envelope *e) {
  pml_writer w = {0};
  pml_envelope_put(&w, e);
  return pml_writer_finish(&w);
}

int pml_envelope_read(pml_slice in, pml_envelope *out) {
  if (in.n < HEAD) return PML_EPROTO;
  const uint8_t *p = in.p, *at = p + HEAD;
  if (p[0] != VERSION || p[1] < PML_ENV_CALL || p[1] > PML_ENV_BROADCAST || p[5] > UID_NUMBER)
    return PML_EPROTO;
  pml_slice texts[TEXTS];
  size_t left = in.n - HEAD;
  for (int i = 0; i < TEXTS; i++) {
    size_t n = get32(p + LENGTHS + 4 * i);
    if (n > left) return PML_EPROTO;
    texts[i] = pml_slice_of(at, n);
    at += n;
    left -= n;
  }
  if (left || texts[2].n > PML_UID_MAX || (p[5] == UID_NONE && texts[2].n)) return PML_EPROTO;
  *out = (pml_envelope){
    .kind = p[1],
    .flags = p[2],
    .status = p[3],
    .msg_type = p[4],
    .group = get16(p + 6),
    .ms = get32(p + 8),
    .msg_id = get32(p + 12),
    .call = get64(p + 16),
    .session = get64(p + 24),
    .from_incarnation = get64(p + 32),
    .to_incarnation = get64(p + 40),
    .from = texts[0],
    .route = texts[1],
    .settings = texts[3],
    .param = texts[4],
  };
  if (p[5] != UID_NONE)
    out->uid = (pml_uid){(const char *)texts[2].p, (uint32_t)texts[2].n, p[5] == UID_NUMBER};
  return 0;
}
