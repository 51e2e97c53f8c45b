#include "wire/protobuf.h"

#include "base/err.h"
#include "base/json_char.h"
#include "base/json_number.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/utf8.h"

#include <endian.h>

#define VARINT_BYTES 10

typedef struct {
  const uint8_t *p, *end;
} cursor;

/* What stands in the bytes for one tag. */
typedef struct {
  const pml_proto_field *field; /* NULL: m has no such tag */
  uint64_t count;               /* a repeated number: how many; else 1 */
  cursor value;                 /* behind the length of a string or message, behind the count */
} record;

static size_t left(const cursor *c) { return (size_t)(c->end - c->p); }

static int read_varint(cursor *c, uint64_t *out) {
  uint64_t u = 0;
  for (int i = 0; i < VARINT_BYTES; i++) {
    if (c->p == c->end) return PML_EPROTO;
    uint8_t b = *c->p++;
    if (i == VARINT_BYTES - 1 && b > 1) return PML_EPROTO;
    u |= (uint64_t)(b & 0x7f) << 7 * i;
    if (b & 0x80) continue;
    *out = u;
    return 0;
  }
  return PML_EPROTO;
}

static int skip_bytes(cursor *c, uint64_t n) {
  if (n > left(c)) return PML_EPROTO;
  c->p += n;
  return 0;
}

/* Steps over count values of a wire type, of which none says its length. */
static int skip_numbers(cursor *c, unsigned wire, uint64_t count) {
  uint64_t u, size = wire == 1 ? 8 : 4;
  if (count > left(c)) return PML_EPROTO; /* each has a byte at least */
  if (wire != 0) return skip_bytes(c, count * size);
  for (; count; count--)
    if (read_varint(c, &u)) return PML_EPROTO;
  return 0;
}

/* The record at c, which steps behind it. */
static int next_record(cursor *c, const pml_proto *m, record *out) {
  uint64_t key, n;
  if (read_varint(c, &key)) return PML_EPROTO;
  unsigned wire = key & 7;
  const pml_proto_field *f = pml_proto_by_tag(m, key >> 3);
  if (f && f->wire != wire) {
    /* Browser clients of npm's package write 2 where 0 is meant: in the value itself they agree. */
    if (f->wire != 0 || wire != 2) return PML_EPROTO;
    wire = 0;
  }
  out->field = f;
  out->count = 1;
  if (wire == 2) {
    if (read_varint(c, &n)) return PML_EPROTO;
    out->value.p = c->p;
    if (skip_bytes(c, n)) return PML_EPROTO;
  } else {
    if (wire != 0 && wire != 1 && wire != 5) return PML_EPROTO;
    if (f && f->option == PML_PROTO_REPEATED && read_varint(c, &out->count)) return PML_EPROTO;
    out->value.p = c->p;
    if (skip_numbers(c, wire, out->count)) return PML_EPROTO;
  }
  out->value.end = c->p;
  return 0;
}

/* What a look over all records has found. */
typedef struct {
  uint32_t known; /* records that have a field */
  int scattered;  /* some that belong together do not stand together, as no encoder writes them */
} overview;

/* 0; PML_EPROTO: a record is not whole. */
static int look_over(cursor c, const pml_proto *m, overview *out) {
  uint64_t seen[PML_PROTO_FIELDS_MAX / 64] = {0};
  const pml_proto_field *last = NULL;
  *out = (overview){0};
  while (c.p < c.end) {
    record r;
    if (next_record(&c, m, &r)) return PML_EPROTO;
    const pml_proto_field *before = last;
    last = r.field;
    if (!r.field) continue;
    uint32_t i = (uint32_t)(r.field - m->fields);
    if ((seen[i / 64] >> i % 64 & 1) &&
        (r.field != before || r.field->option != PML_PROTO_REPEATED))
      out->scattered = 1;
    seen[i / 64] |= (uint64_t)1 << i % 64;
    out->known++;
  }
  return 0;
}

/* ---- values ---- */

static int write_double(pml_writer *w, double d) {
  char text[PML_JSON_NUMBER_MAX];
  int n = pml_json_number(d, text);
  if (n == 0) return PML_EPROTO;
  pml_writer_put(w, text, (size_t)n);
  return 0;
}

static int write_varint(pml_writer *w, const pml_proto_field *f, cursor *c) {
  uint64_t u;
  if (read_varint(c, &u)) return PML_EPROTO;
  if (f->kind == PML_PROTO_BOOL) {
    pml_writer_put(w, u ? "true" : "false", u ? 4 : 5);
    return 0;
  }
  uint64_t size = u;
  int negative = 0;
  if (f->kind == PML_PROTO_SIGNED) {
    negative = u & 1;
    size = (u >> 1) + (u & 1);
  }
  if (size > (uint64_t)PML_INTEGER_MAX) return PML_EPROTO;
  return write_double(w, negative ? -(double)size : (double)size);
}

static int write_float(pml_writer *w, cursor *c) {
  uint32_t u;
  float f;
  if (left(c) < 4) return PML_EPROTO;
  memcpy(&u, c->p, 4);
  u = le32toh(u);
  memcpy(&f, &u, 4);
  c->p += 4;
  return write_double(w, (double)f);
}

static int write_real(pml_writer *w, cursor *c) {
  uint64_t u;
  double d;
  if (left(c) < 8) return PML_EPROTO;
  memcpy(&u, c->p, 8);
  u = le64toh(u);
  memcpy(&d, &u, 8);
  c->p += 8;
  return write_double(w, d);
}

static void write_chars(pml_writer *w, const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    const uint8_t *q = p;
    while (q < end && *q >= 0x20 && *q < 0x80 && *q != '"' && *q != '\\') q++;
    pml_writer_put(w, p, (size_t)(q - p));
    if (q < end) q += pml_json_put_char(w, q);
    p = q;
  }
}

static void write_string(pml_writer *w, const cursor *c) {
  pml_writer_byte(w, '"');
  if (pml_utf8_valid(c->p, left(c))) {
    write_chars(w, c->p, c->end);
  } else {
    pml_writer mended = {0};
    pml_utf8_mend(&mended, c->p, left(c));
    const uint8_t *p = pml_writer_at(&mended, 0);
    write_chars(w, p, p + mended.len);
    pml_writer_drop(&mended);
  }
  pml_writer_byte(w, '"');
}

/* ---- messages ---- */

/* How much may still be written: the text grows with the names of fields, which the bytes do not
 * hold, so that few bytes can become a long text. */
typedef struct {
  int depth;   /* messages in each other so far */
  size_t most; /* the length of w above which nothing more is begun */
} bounds;

static bounds deeper(bounds b) {
  b.depth++;
  return b;
}

static int write_message(pml_writer *w, const pml_proto *m, cursor c, bounds b);

static int write_value(pml_writer *w, const pml_proto_field *f, cursor *c, bounds b) {
  switch (f->kind) {
  case PML_PROTO_FLOAT: return write_float(w, c);
  case PML_PROTO_DOUBLE: return write_real(w, c);
  case PML_PROTO_STRING: write_string(w, c); return 0;
  case PML_PROTO_MESSAGE: return write_message(w, f->message, *c, deeper(b));
  default: return write_varint(w, f, c);
  }
}

/* The elements of one record; *any: one stands before them. */
static int write_elements(pml_writer *w, record *r, int *any, bounds b) {
  for (; r->count; r->count--) {
    if (*any) pml_writer_byte(w, ',');
    *any = 1;
    if (w->len > b.most || write_value(w, r->field, &r->value, b)) return PML_EPROTO;
  }
  return 0;
}

/* The name of a field; *any: a field stands before it. */
static void write_name(pml_writer *w, const pml_proto_field *f, int *any) {
  if (*any) pml_writer_byte(w, ',');
  *any = 1;
  pml_writer_byte(w, '"');
  pml_writer_put(w, f->name.p, f->name.n); /* holds nothing to escape */
  pml_writer_put(w, "\":", 2);
}

/* first, and the records of its field that stand right behind it, which c steps over. */
static int write_repeated(pml_writer *w, const pml_proto *m, cursor *c, record *first, bounds b) {
  const pml_proto_field *f = first->field;
  cursor at = *c;
  int any = 0;
  pml_writer_byte(w, '[');
  if (write_elements(w, first, &any, b)) return PML_EPROTO;
  while (at.p < at.end) {
    record r;
    if (next_record(&at, m, &r)) return PML_EPROTO;
    if (r.field != f) break;
    if (write_elements(w, &r, &any, b)) return PML_EPROTO;
    *c = at;
  }
  pml_writer_byte(w, ']');
  return 0;
}

static int write_fields(pml_writer *w, const pml_proto *m, cursor c, bounds b) {
  int any = 0;
  while (c.p < c.end) {
    record r;
    if (next_record(&c, m, &r)) return PML_EPROTO;
    if (!r.field) continue;
    if (w->len > b.most) return PML_EPROTO;
    write_name(w, r.field, &any);
    int rc = r.field->option == PML_PROTO_REPEATED ? write_repeated(w, m, &c, &r, b)
                                                   : write_value(w, r.field, &r.value, b);
    if (rc) return rc;
  }
  return 0;
}

/* ---- scattered records: a list of them, so that none is read once for each field ---- */

typedef struct {
  uint32_t at;   /* of its key */
  uint32_t next; /* of the same field: its number + 1, 0: none */
  uint32_t field;
} place;

typedef struct {
  place *places;
  uint32_t *first, *last; /* by field: the number of its record + 1 */
} places;

/* PML_EPROTO: out of memory, of which a peer chose the size. */
static int find_places(const pml_proto *m, cursor c, uint32_t known, places *out) {
  const uint8_t *begin = c.p;
  size_t heads = m->count * sizeof *out->first;
  uint8_t *all = pml_try_alloc(known * sizeof *out->places + 2 * heads);
  if (!all) return PML_EPROTO;
  out->places = (place *)(void *)all;
  out->first = (uint32_t *)(void *)(all + known * sizeof *out->places);
  out->last = out->first + m->count;
  memset(out->first, 0, 2 * heads);
  for (uint32_t n = 0; n < known;) {
    record r;
    uint32_t at = (uint32_t)(c.p - begin);
    if (next_record(&c, m, &r)) break; /* never: look_over has read it */
    if (!r.field) continue;
    uint32_t i = (uint32_t)(r.field - m->fields);
    out->places[n++] = (place){at, 0, i};
    if (out->last[i]) out->places[out->last[i] - 1].next = n;
    else out->first[i] = n;
    out->last[i] = n;
  }
  return 0;
}

/* The field of the record `number`, with all records that belong to it. */
static int write_places(pml_writer *w, const pml_proto *m, cursor c, const places *x,
                        uint32_t number, bounds b) {
  const pml_proto_field *f = &m->fields[x->places[number - 1].field];
  int repeated = f->option == PML_PROTO_REPEATED, any = 0;
  if (!repeated) number = x->last[x->places[number - 1].field]; /* the one that counts */
  if (repeated) pml_writer_byte(w, '[');
  for (; number; number = x->places[number - 1].next) {
    cursor at = {c.p + x->places[number - 1].at, c.end};
    record r;
    if (next_record(&at, m, &r) || write_elements(w, &r, &any, b)) return PML_EPROTO;
  }
  if (repeated) pml_writer_byte(w, ']');
  return 0;
}

static int write_scattered(pml_writer *w, const pml_proto *m, cursor c, uint32_t known, bounds b) {
  places x;
  int any = 0, rc = find_places(m, c, known, &x);
  if (rc) return rc;
  for (uint32_t n = 1; n <= known && !rc; n++) {
    uint32_t field = x.places[n - 1].field;
    if (x.first[field] != n) continue;
    write_name(w, &m->fields[field], &any);
    rc = write_places(w, m, c, &x, n, b);
  }
  pml_free(x.places);
  return rc;
}

static int write_message(pml_writer *w, const pml_proto *m, cursor c, bounds b) {
  overview o;
  if (b.depth > PML_PROTOBUF_DEPTH || w->len > b.most || look_over(c, m, &o)) return PML_EPROTO;
  pml_writer_byte(w, '{');
  int rc = o.scattered ? write_scattered(w, m, c, o.known, b) : write_fields(w, m, c, b);
  if (rc) return rc;
  pml_writer_byte(w, '}');
  return 0;
}

int pml_protobuf_decode(const pml_proto *m, pml_slice bytes, pml_writer *json) {
  return pml_protobuf_decode_within(m, bytes, SIZE_MAX, json);
}

int pml_protobuf_decode_within(const pml_proto *m, pml_slice bytes, size_t most, pml_writer *json) {
  static const uint8_t nothing[1];
  const uint8_t *p = bytes.n ? bytes.p : nothing;
  cursor c = {p, p + bytes.n};
  size_t before = json->len;
  if (bytes.n > UINT32_MAX) return PML_EPROTO;
  bounds b = {.depth = 1, .most = most > SIZE_MAX - before ? SIZE_MAX : before + most};
  int rc = write_message(json, m, c, b);
  if (!rc && json->len > b.most) rc = PML_EPROTO;
  if (rc) pml_writer_cut(json, before);
  return rc;
}
