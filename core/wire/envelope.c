/* Version 4. Numbers are big-endian. A number that is 0 and a text without bytes are not written: a
 * push to a channel has a head of 21 bytes.
 *
 *    0 version u8   1 kind u8   2 flags u8   3 has u16: a bit for each field below, in this order
 *    5 from_incarnation u64    13 to_incarnation u64
 *   21 status u8, msg_type u8, ms u32, msg_id u32, call u64, session u64, identity u64
 *      from, route, settings, param, uid as a text, uid as a number: each length u32, bytes
 *
 * and nothing after them. A uid may be a text without bytes. */
#include "wire/envelope.h"

#include "base/err.h"

#include <assert.h>

#define VERSION 4
#define HEAD 21
/* Name in the struct, its bit, its bytes. */
#define NUMBERS(X) \
  X(status, 0, 1) \
  X(msg_type, 1, 1) \
  X(ms, 2, 4) \
  X(msg_id, 3, 4) \
  X(call, 4, 8) \
  X(session, 5, 8) \
  X(identity, 6, 8)
#define TEXTS(X) \
  X(from, 7) \
  X(route, 8) \
  X(settings, 9) \
  X(param, 10)
#define UID_TEXT (1u << 11)
#define UID_NUMBER (1u << 12)
#define UID (UID_TEXT | UID_NUMBER)
#define HAS (UID_NUMBER * 2 - 1) /* every bit that means something */
#define LENGTH 4                 /* bytes of a length */

static inline void put(uint8_t *p, uint64_t v, int bytes) {
  for (int i = bytes; i-- > 0; v >>= 8) p[i] = (uint8_t)v;
}
static inline uint64_t get(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
  return v;
}

static uint8_t *put_text(uint8_t *p, const void *text, size_t n) {
  put(p, n, LENGTH);
  if (n) memcpy(p + LENGTH, text, n);
  return p + LENGTH + n;
}

static unsigned has(const pml_envelope *e, size_t *total) {
  unsigned bits = 0;
  size_t n = HEAD;
#define NUMBER(name, bit, bytes) \
  if (e->name) bits |= 1u << (bit), n += (bytes);
#define TEXT(name, bit) \
  if (e->name.n) bits |= 1u << (bit), n += LENGTH + e->name.n;
  NUMBERS(NUMBER)
  TEXTS(TEXT)
#undef NUMBER
#undef TEXT
  if (e->uid.s) bits |= e->uid.is_number ? UID_NUMBER : UID_TEXT, n += LENGTH + e->uid.n;
  *total = n;
  return bits;
}

void pml_envelope_put(pml_writer *w, const pml_envelope *e) {
  assert(!e->uid.s || e->uid.n <= PML_UID_MAX); /* ours: the binding refuses longer ones */
  size_t total;
  unsigned bits = has(e, &total);
  uint8_t *p = pml_writer_more(w, total);
  p[0] = VERSION;
  p[1] = e->kind;
  p[2] = e->flags;
  put(p + 3, bits, 2);
  put(p + 5, e->from_incarnation, 8);
  put(p + 13, e->to_incarnation, 8);
  p += HEAD;
#define NUMBER(name, bit, bytes) \
  if (bits & 1u << (bit)) put(p, e->name, bytes), p += (bytes);
#define TEXT(name, bit) \
  if (bits & 1u << (bit)) p = put_text(p, e->name.p, e->name.n);
  NUMBERS(NUMBER)
  TEXTS(TEXT)
#undef NUMBER
#undef TEXT
  if (bits & UID) put_text(p, e->uid.s, e->uid.n);
}

pml_buf *pml_envelope_write(const pml_envelope *e) {
  pml_writer w = {0};
  pml_envelope_put(&w, e);
  return pml_writer_finish(&w);
}

/* What is not read yet; bad: it was cut, or holds what is never written. */
typedef struct {
  const uint8_t *p;
  size_t n;
  int bad;
} rest;

static const uint8_t *take(rest *r, size_t n) {
  static const uint8_t none[8];
  if (r->n < n) {
    r->bad = 1;
    r->n = 0;
    return none;
  }
  const uint8_t *p = r->p;
  r->p += n;
  r->n -= n;
  return p;
}

static inline uint64_t take_number(rest *r, int bytes) {
  uint64_t v = get(take(r, (size_t)bytes), bytes);
  if (!v) r->bad = 1;
  return v;
}

static pml_slice take_text(rest *r) {
  size_t n = (size_t)get(take(r, LENGTH), LENGTH);
  return n > r->n ? (r->bad = 1, pml_slice_of(NULL, 0)) : pml_slice_of(take(r, n), n);
}

static pml_slice take_some(rest *r) {
  pml_slice s = take_text(r);
  if (!s.n) r->bad = 1;
  return s;
}

int pml_envelope_read(pml_slice in, pml_envelope *out) {
  if (in.n < HEAD) return PML_EPROTO;
  const uint8_t *p = in.p;
  unsigned bits = (unsigned)get(p + 3, 2);
  if (p[0] != VERSION || p[1] < PML_ENV_CALL || p[1] > PML_ENV_INTEREST || bits & ~HAS ||
      (bits & UID) == UID)
    return PML_EPROTO;
  rest r = {p + HEAD, in.n - HEAD, 0};
  pml_envelope e = {
    .kind = p[1],
    .flags = p[2],
    .from_incarnation = get(p + 5, 8),
    .to_incarnation = get(p + 13, 8),
  };
#define NUMBER(name, bit, bytes) \
  if (bits & 1u << (bit)) e.name = (__typeof__(e.name))take_number(&r, bytes);
#define TEXT(name, bit) \
  if (bits & 1u << (bit)) e.name = take_some(&r);
  NUMBERS(NUMBER)
  TEXTS(TEXT)
#undef NUMBER
#undef TEXT
  if (bits & UID) {
    pml_slice uid = take_text(&r);
    if (uid.n > PML_UID_MAX) return PML_EPROTO;
    e.uid = (pml_uid){(const char *)uid.p, (uint32_t)uid.n, (bits & UID_NUMBER) != 0};
  }
  if (r.bad || r.n) return PML_EPROTO;
  *out = e;
  return 0;
}
