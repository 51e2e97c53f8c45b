/* Numbers are varints: seven bits a byte, the lowest first, the highest bit says that more follow;
 * at most ten bytes, and no needless ones.
 *
 *   PLAIN    1  list
 *   WHOLE    2  number  base  list
 *   SAME     3  number
 *   CHANGED  4  number  base  changes
 *   ASK      5  number
 *   GIVE     6  number
 *   GONE     7  number
 *
 * changes: length of base, number of cuts, for each cut: bytes that stay, bytes that go. What is
 * behind the last cut stays. The rest of the changes is appended. */
#include "wire/bus_list.h"

#include "base/err.h"

#define VARINT_MAX 10
#define UID_HEAD 3u /* base/uid: a list is [is_number u8][length u16][bytes], repeated */

static void put_varint(pml_writer *w, uint64_t v) {
  for (; v >= 0x80; v >>= 7) pml_writer_byte(w, (uint8_t)(v | 0x80));
  pml_writer_byte(w, (uint8_t)v);
}

/* 1, or 0: cut, above 64 bits, or longer than it need be. */
static int take_varint(pml_slice *in, uint64_t *out) {
  uint64_t v = 0;
  for (size_t i = 0; i < in->n && i < VARINT_MAX; i++) {
    uint8_t c = in->p[i];
    v |= (uint64_t)(c & 0x7f) << (7 * i);
    if (c & 0x80) continue;
    if ((c == 0 && i > 0) || (i == VARINT_MAX - 1 && c > 1)) return 0;
    *in = pml_slice_of(in->p + i + 1, in->n - i - 1);
    *out = v;
    return 1;
  }
  return 0;
}

static int take_size(pml_slice *in, size_t max, size_t *out) {
  uint64_t v;
  if (!take_varint(in, &v) || v > max) return 0;
  *out = (size_t)v;
  return 1;
}

void pml_bus_list_put(pml_writer *w, const pml_bus_list *l) {
  pml_writer_byte(w, (uint8_t)l->kind);
  if (l->kind != PML_BUS_LIST_PLAIN) put_varint(w, l->number);
  if (l->kind == PML_BUS_LIST_WHOLE || l->kind == PML_BUS_LIST_CHANGED) put_varint(w, l->base);
  pml_writer_put(w, l->bytes.p, l->bytes.n);
}

static int read_fields(pml_slice *in, pml_bus_list *l) {
  if (l->kind != PML_BUS_LIST_PLAIN && (!take_varint(in, &l->number) || !l->number)) return 0;
  switch (l->kind) {
  case PML_BUS_LIST_PLAIN: return 1;
  case PML_BUS_LIST_WHOLE: return take_varint(in, &l->base);
  case PML_BUS_LIST_CHANGED: return take_varint(in, &l->base) && l->base;
  case PML_BUS_LIST_SAME:
  case PML_BUS_LIST_ASK:
  case PML_BUS_LIST_GIVE:
  case PML_BUS_LIST_GONE: return in->n == 0;
  }
  return 0;
}

int pml_bus_list_read(pml_slice in, pml_bus_list *out) {
  if (in.n == 0 || in.p[0] < PML_BUS_LIST_PLAIN || in.p[0] > PML_BUS_LIST_GONE) return PML_EPROTO;
  pml_bus_list l = {.kind = (pml_bus_list_kind)in.p[0]};
  pml_slice rest = pml_slice_of(in.p + 1, in.n - 1);
  if (!read_fields(&rest, &l)) return PML_EPROTO;
  l.bytes = rest;
  *out = l;
  return 0;
}

/* Where the first difference of two lists lies, in whole uids of base. */
typedef struct {
  pml_slice base, now;
  size_t i, j; /* of base, of now */
} walk;

static size_t uid_at(const walk *k) {
  const uint8_t *p = k->base.p + k->i;
  size_t left = k->base.n - k->i;
  size_t n = left < UID_HEAD ? left : UID_HEAD + ((size_t)p[1] << 8 | p[2]);
  return n < left ? n : left;
}

/* Goes over the uids that are in both, or with gone over those that now has not. How many bytes. */
static size_t run(walk *k, int gone) {
  size_t first = k->i;
  while (k->i < k->base.n) {
    size_t n = uid_at(k);
    int same = k->now.n - k->j >= n && memcmp(k->base.p + k->i, k->now.p + k->j, n) == 0;
    if (same == gone) break;
    k->i += n;
    if (same) k->j += n;
  }
  return k->i - first;
}

/* The cuts into *cuts. 0: they alone are as long as now. */
static int find_cuts(walk *k, pml_writer *cuts, size_t *count) {
  while (k->i < k->base.n) {
    size_t stay = run(k, 0), go = run(k, 1);
    if (!go) break;
    put_varint(cuts, stay);
    put_varint(cuts, go);
    ++*count;
    if (cuts->len >= k->now.n) return 0;
  }
  return 1;
}

int pml_bus_list_compare(pml_slice base, pml_slice now, pml_writer *w) {
  walk k = {base, now, 0, 0};
  pml_writer cuts = {0};
  size_t count = 0, first = w->len;
  int good = find_cuts(&k, &cuts, &count);
  if (good) {
    put_varint(w, base.n);
    put_varint(w, count);
    if (cuts.len) pml_writer_put(w, pml_writer_at(&cuts, 0), cuts.len);
    if (k.j < now.n) pml_writer_put(w, now.p + k.j, now.n - k.j);
    good = w->len - first < now.n;
    if (!good) pml_writer_cut(w, first);
  }
  pml_writer_drop(&cuts);
  return good;
}

/* Appends to w what stays of base. *in is behind the cuts afterwards. */
static int apply_cuts(pml_slice base, pml_slice *in, size_t count, size_t max, pml_writer *w) {
  size_t at = 0;
  while (count--) {
    size_t stay, go;
    if (!take_size(in, base.n - at, &stay) || w->len + stay > max) return 0;
    if (stay) pml_writer_put(w, base.p + at, stay);
    at += stay;
    if (!take_size(in, base.n - at, &go)) return 0;
    at += go;
  }
  if (w->len + (base.n - at) + in->n > max) return 0;
  if (at < base.n) pml_writer_put(w, base.p + at, base.n - at);
  return 1;
}

int pml_bus_list_apply(pml_slice base, pml_slice changes, size_t max, pml_buf **out) {
  size_t length, count;
  pml_slice in = changes;
  if (!take_size(&in, PML_BUF_MAX, &length) || length != base.n) return PML_EPROTO;
  if (!take_size(&in, in.n, &count)) return PML_EPROTO; /* a cut has two bytes at least */
  pml_writer w = {0};
  if (!apply_cuts(base, &in, count, max, &w)) {
    pml_writer_drop(&w);
    return PML_EPROTO;
  }
  pml_writer_put(&w, in.p, in.n);
  *out = pml_writer_finish(&w);
  return 0;
}
