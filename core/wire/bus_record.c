/* Version 1. u64 and u32 are big-endian; a "number" has 7 bits in each byte, the lowest first, the
 * high bit set in all bytes but the last.
 *
 *   batch   "B" u8   version u8   then any of:
 *   pair    1 u8   length of from u8   length of to u8   from_incarnation u64   to_incarnation u64
 *           seq number   from   to
 *   record  2 u8   flags u8   lengths of head, body, extra: numbers   their bytes
 *   part    3 u8   flags u8   lengths of head, body, extra: numbers   at number   length number
 *           bytes
 *
 * A record or part is of the pair before it. The version is the first thing that may change; a
 * process that speaks another protocol is refused before (bus/discovery). */
#include "wire/bus_record.h"

#include "base/bigendian.h"
#include "base/err.h"

#define MAGIC 'B'
#define VERSION 1

/* Flags that the sender gives, and all that are read. */
#define PML_BATCH_KINDS (PML_BATCH_OWED | PML_BATCH_LIST | PML_BATCH_ABOUT)

enum { PAIR = 1, RECORD = 2, PART = 3 };

static void put_number(pml_writer *w, uint64_t v) {
  for (; v > 0x7f; v >>= 7) pml_writer_byte(w, (uint8_t)(v | 0x80));
  pml_writer_byte(w, (uint8_t)v);
}

void pml_batch_begin(pml_writer *w) {
  pml_writer_byte(w, MAGIC);
  pml_writer_byte(w, VERSION);
}

void pml_batch_pair_put(pml_writer *w, const pml_batch_pair *p, uint64_t seq) {
  size_t from = strlen(p->from), to = strlen(p->to);
  uint8_t *at = pml_writer_more(w, 3 + 16);
  at[0] = PAIR;
  at[1] = (uint8_t)from;
  at[2] = (uint8_t)to;
  pml_put64(at + 3, p->from_incarnation);
  pml_put64(at + 11, p->to_incarnation);
  put_number(w, seq);
  pml_writer_put(w, p->from, from);
  pml_writer_put(w, p->to, to);
}

static void put_lengths(pml_writer *w, uint8_t kind, uint8_t flags, pml_slice head,
                        const pml_buf *body, const pml_buf *extra) {
  pml_writer_byte(w, kind);
  pml_writer_byte(w, (uint8_t)((flags & PML_BATCH_KINDS) | (body ? PML_BATCH_BODY : 0) |
                               (extra ? PML_BATCH_EXTRA : 0)));
  put_number(w, head.n);
  put_number(w, pml_buf_slice(body).n);
  put_number(w, pml_buf_slice(extra).n);
}

void pml_batch_record_put(pml_writer *w, uint8_t flags, pml_slice head, const pml_buf *body,
                          const pml_buf *extra) {
  pml_slice b = pml_buf_slice(body), e = pml_buf_slice(extra);
  put_lengths(w, RECORD, flags, head, body, extra);
  pml_writer_put(w, head.p, head.n);
  pml_writer_put(w, b.p, b.n);
  pml_writer_put(w, e.p, e.n);
}

void pml_batch_part_put(pml_writer *w, uint8_t flags, pml_slice head, const pml_buf *body,
                        const pml_buf *extra, size_t at, size_t n) {
  const pml_slice blocks[] = {head, pml_buf_slice(body), pml_buf_slice(extra)};
  put_lengths(w, PART, flags, head, body, extra);
  put_number(w, at);
  put_number(w, n);
  for (int i = 0; i < 3 && n; i++) {
    size_t skip = at < blocks[i].n ? at : blocks[i].n;
    size_t take = blocks[i].n - skip < n ? blocks[i].n - skip : n;
    if (take) pml_writer_put(w, blocks[i].p + skip, take);
    at -= skip;
    n -= take;
  }
}

/* --- reading ------------------------------------------------------------------------------- */

static int take(pml_slice *in, size_t n, pml_slice *out) {
  if (in->n < n) return PML_EPROTO;
  *out = pml_slice_of(in->p, n);
  in->p += n;
  in->n -= n;
  return 0;
}

/* A number that is at most max. */
static int take_number(pml_slice *in, uint64_t max, uint64_t *out) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (in->n == 0) return PML_EPROTO;
    uint8_t c = *in->p++;
    in->n--;
    v |= (uint64_t)(c & 0x7f) << shift;
    if (c & 0x80) continue;
    if (v > max) return PML_EPROTO;
    *out = v;
    return 0;
  }
  return PML_EPROTO;
}

static int take_id(pml_slice *in, size_t n, char out[PML_SERVER_ID_MAX + 1]) {
  pml_slice id;
  if (n == 0 || n > PML_SERVER_ID_MAX || take(in, n, &id) || memchr(id.p, 0, n)) return PML_EPROTO;
  memcpy(out, id.p, n);
  out[n] = '\0';
  return 0;
}

int pml_batch_read(pml_batch_reader *r, pml_slice in) {
  if (in.n < 2 || in.p[0] != MAGIC || in.p[1] != VERSION) return PML_EPROTO;
  r->left = pml_slice_of(in.p + 2, in.n - 2);
  r->from[0] = '\0';
  return 0;
}

static int read_pair(pml_batch_reader *r) {
  pml_slice fixed;
  if (take(&r->left, 18, &fixed) || take_number(&r->left, UINT64_MAX >> 1, &r->next) ||
      r->next == 0 || take_id(&r->left, fixed.p[0], r->from) ||
      take_id(&r->left, fixed.p[1], r->to))
    return PML_EPROTO;
  r->from_incarnation = pml_get64(fixed.p + 2);
  r->to_incarnation = pml_get64(fixed.p + 10);
  return 0;
}

static int read_lengths(pml_slice *in, pml_batch_item *out) {
  pml_slice flags;
  uint64_t n[3], sum = 0;
  if (take(in, 1, &flags)) return PML_EPROTO;
  for (int i = 0; i < 3; i++) {
    if (take_number(in, PML_BATCH_RECORD_MAX, &n[i])) return PML_EPROTO;
    sum += n[i];
  }
  out->flags = flags.p[0];
  out->nhead = (uint32_t)n[0];
  out->nbody = (uint32_t)n[1];
  out->nextra = (uint32_t)n[2];
  if (out->flags & ~(PML_BATCH_KINDS | PML_BATCH_BODY | PML_BATCH_EXTRA) ||
      sum > PML_BATCH_RECORD_MAX || (n[1] && !(out->flags & PML_BATCH_BODY)) ||
      (n[2] && !(out->flags & PML_BATCH_EXTRA)))
    return PML_EPROTO;
  return 0;
}

static int read_item(pml_batch_reader *r, uint8_t kind, pml_batch_item *out) {
  if (!r->from[0] || read_lengths(&r->left, out)) return PML_EPROTO;
  uint64_t size = (uint64_t)out->nhead + out->nbody + out->nextra, at = 0, n = size;
  if (kind == PART) {
    if (take_number(&r->left, size, &at) || take_number(&r->left, size - at, &n) || n == 0)
      return PML_EPROTO;
    out->flags |= PML_BATCH_PART;
  }
  if (take(&r->left, n, &out->bytes)) return PML_EPROTO;
  out->at = (uint32_t)at;
  out->seq = r->next++;
  out->pair = (pml_batch_pair){r->from, r->to, r->from_incarnation, r->to_incarnation};
  return 1;
}

int pml_batch_next(pml_batch_reader *r, pml_batch_item *out) {
  while (r->left.n) {
    pml_slice kind;
    take(&r->left, 1, &kind);
    if (kind.p[0] == RECORD || kind.p[0] == PART) return read_item(r, kind.p[0], out);
    if (kind.p[0] != PAIR || read_pair(r)) return PML_EPROTO;
  }
  return 0;
}
