#include "wire/protobuf.h"

#include "base/err.h"
#include "base/json_number.h"
#include "base/limits.h"
#include "wire/jsonread.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>

/* The way from the message to where we are, for errors. */
typedef struct step {
  const struct step *up;
  pml_slice name;
  uint32_t index; /* 0, or the number of an element, from 1 on */
} step;

typedef struct {
  pml_jsonread r;
  pml_slice text;
  pml_writer *w; /* NULL: the message is only checked */
  unsigned flags;
  int wrote; /* a field has a value */
  pml_protobuf_error *err;
  pml_writer *fixed;     /* the mended text */
  const uint8_t *copied; /* up to here the text is in fixed; NULL: nothing is mended yet */
} job;

/* ---- errors ---- */

static size_t put_path(char *out, size_t size, const step *at) {
  if (!at) return 0;
  size_t n = put_path(out, size, at->up);
  int k = at->index ? snprintf(out + n, size - n, "[%u]", at->index)
                    : snprintf(out + n, size - n, "%s%.*s", n ? "." : "", (int)at->name.n,
                               (const char *)at->name.p);
  return k < 0 || (size_t)k >= size - n ? size - 1 : n + (size_t)k;
}

static int fail(job *x, const step *at, const char *what) {
  if (!x->err) return PML_EINVAL;
  x->err->path[0] = 0;
  put_path(x->err->path, sizeof x->err->path, at);
  snprintf(x->err->what, sizeof x->err->what, "%s", what);
  return PML_EINVAL;
}

static int broken(job *x, const step *at, int rc) {
  return fail(x, at, rc == PML_ETOOBIG ? "deeper than 64" : "this is no JSON");
}

static const char *const token_names[] = {
  [PML_TOKEN_OBJECT] = "an object", [PML_TOKEN_ARRAY] = "an array", [PML_TOKEN_STRING] = "a string",
  [PML_TOKEN_NUMBER] = "a number",  [PML_TOKEN_TRUE] = "true",      [PML_TOKEN_FALSE] = "false",
  [PML_TOKEN_NULL] = "null",
};

static int wrong_type(job *x, const step *at, const char *needed, const pml_token *t) {
  char what[128];
  const char *is = t->kind < sizeof token_names / sizeof *token_names ? token_names[t->kind] : NULL;
  snprintf(what, sizeof what, "%s is needed, not %s", needed, is ? is : "this");
  return fail(x, at, what);
}

/* ---- bytes ---- */

static size_t varint(uint64_t u, uint8_t out[10]) {
  size_t n = 0;
  for (; u > 0x7f; u >>= 7) out[n++] = (uint8_t)(u | 0x80);
  out[n++] = (uint8_t)u;
  return n;
}

static void put_varint(job *x, uint64_t u) {
  uint8_t b[10];
  if (x->w) pml_writer_put(x->w, b, varint(u, b));
}

static void put_tag(job *x, const pml_proto_field *f) {
  x->wrote = 1;
  put_varint(x, (uint64_t)f->tag << 3 | f->wire);
}

/* A place for a number that is known later, with room for a small one. */
static size_t begin_number(job *x) {
  if (!x->w) return 0;
  pml_writer_byte(x->w, 0);
  return x->w->len - 1;
}

static void end_number(job *x, size_t place, uint64_t u) {
  uint8_t b[10];
  if (!x->w) return;
  size_t n = varint(u, b), rest = x->w->len - place - 1;
  if (n > 1) pml_writer_more(x->w, n - 1);
  uint8_t *p = pml_writer_at(x->w, place);
  if (n > 1) memmove(p + n, p + 1, rest);
  memcpy(p, b, n);
}

static void end_length(job *x, size_t place) {
  if (x->w) end_number(x, place, x->w->len - place - 1);
}

/* ---- the mended text ---- */

/* Instead of what stands from first to the end of last. */
static void mend(job *x, const pml_token *first, const pml_token *last, const char *text) {
  if (!x->fixed) return;
  const uint8_t *from = x->copied ? x->copied : x->text.p;
  pml_writer_put(x->fixed, from, (size_t)(first->text.p - from));
  pml_writer_put(x->fixed, text, strlen(text));
  x->copied = pml_slice_end(last->text);
}

/* ---- values ---- */

/* The number in a text such as " 12", "+1.5" or "007". */
static int number_in_text(const pml_token *t, double *out) {
  const uint8_t *p = t->text.p, *end = p + t->text.n;
  char plain[64];
  size_t n = 0;
  if (t->escaped) return PML_EPROTO;
  while (p < end && *p == ' ') p++;
  while (p < end && end[-1] == ' ') end--;
  if (p < end && (*p == '-' || *p == '+')) {
    if (*p == '-') plain[n++] = '-';
    p++;
  }
  while (end - p > 1 && *p == '0' && p[1] >= '0' && p[1] <= '9') p++;
  if (p == end || *p == '-' || (size_t)(end - p) > sizeof plain - 1) return PML_EPROTO;
  memcpy(plain + n, p, (size_t)(end - p));
  return pml_jsonread_number(pml_slice_of(plain, n + (size_t)(end - p)), out);
}

static int number(job *x, const step *at, const pml_token *t, double *out) {
  int rc;
  if (t->kind == PML_TOKEN_STRING) {
    rc = number_in_text(t, out);
    return rc ? fail(x, at, "a number is needed, and this text is none") : 0;
  }
  if (t->kind != PML_TOKEN_NUMBER) return wrong_type(x, at, "a number", t);
  rc = pml_jsonread_number(t->text, out);
  return rc ? fail(x, at, "no double can hold this number") : 0;
}

static int write_integer(job *x, const step *at, const pml_proto_field *f, const pml_token *t) {
  double d;
  int rc = number(x, at, t, &d);
  if (rc) return rc;
  d = trunc(d);
  if (d > PML_INTEGER_MAX || d < -PML_INTEGER_MAX) return fail(x, at, "whole numbers end at 2^53");
  if (f->kind == PML_PROTO_UNSIGNED) {
    if (d < 0) return fail(x, at, "this type has no negative numbers");
    put_varint(x, (uint64_t)d);
    return 0;
  }
  put_varint(x, d < 0 ? (uint64_t)-d * 2 - 1 : (uint64_t)d * 2);
  return 0;
}

static int write_bool(job *x, const step *at, const pml_token *t) {
  double d = t->kind == PML_TOKEN_TRUE;
  if (t->kind == PML_TOKEN_NUMBER) {
    if (pml_jsonread_number(t->text, &d) || (d != 0 && d != 1))
      return fail(x, at, "true or false is needed, not this number");
  } else if (t->kind != PML_TOKEN_TRUE && t->kind != PML_TOKEN_FALSE) {
    return wrong_type(x, at, "true or false", t);
  }
  put_varint(x, d != 0);
  return 0;
}

static int write_real(job *x, const step *at, const pml_proto_field *f, const pml_token *t) {
  double d;
  int rc = number(x, at, t, &d);
  if (rc) return rc;
  if (f->kind == PML_PROTO_FLOAT) {
    float single = (float)d;
    uint32_t u;
    if (!isfinite(single)) return fail(x, at, "a float cannot be as large");
    memcpy(&u, &single, 4);
    u = htole32(u);
    if (x->w) pml_writer_put(x->w, &u, 4);
    return 0;
  }
  uint64_t u;
  memcpy(&u, &d, 8);
  u = htole64(u);
  if (x->w) pml_writer_put(x->w, &u, 8);
  return 0;
}

static void put_surrogate(pml_writer *w, uint32_t u) {
  uint8_t *out = pml_writer_more(w, 3);
  out[0] = (uint8_t)(0xe0 | u >> 12);
  out[1] = (uint8_t)(0x80 | (u >> 6 & 63));
  out[2] = (uint8_t)(0x80 | (u & 63));
}

/* What stands from place on, which is valid UTF-8, as CESU-8. */
static void to_cesu8(pml_writer *w, size_t place) {
  const uint8_t *all = pml_writer_at(w, place);
  size_t n = w->len - place, i = 0;
  while (i < n && all[i] < 0xf0) i++;
  if (i == n) return;
  pml_writer copy = {0};
  pml_writer_put(&copy, all + i, n - i);
  pml_writer_cut(w, place + i);
  const uint8_t *p = pml_writer_at(&copy, 0), *end = p + copy.len;
  while (p < end) {
    if (*p < 0xf0) {
      pml_writer_byte(w, *p++);
      continue;
    }
    uint32_t u = (p[0] & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
    u -= 0x10000;
    put_surrogate(w, 0xd800 | u >> 10);
    put_surrogate(w, 0xdc00 | (u & 0x3ff));
    p += 4;
  }
  pml_writer_drop(&copy);
}

static int write_string(job *x, const step *at, const pml_token *t) {
  if (t->kind != PML_TOKEN_STRING) return wrong_type(x, at, "a string", t);
  if (!x->w) return 0;
  size_t place = begin_number(x);
  pml_jsonread_text(x->w, t);
  if (x->flags & PML_PROTOBUF_CESU8) to_cesu8(x->w, place + 1);
  end_length(x, place);
  return 0;
}

/* ---- messages ---- */

static int write_message(job *x, const step *at, const pml_proto *m, const pml_token *t, int depth);

static int write_value(job *x, const step *at, const pml_proto_field *f, const pml_token *t,
                       int depth) {
  switch (f->kind) {
  case PML_PROTO_UNSIGNED:
  case PML_PROTO_SIGNED: return write_integer(x, at, f, t);
  case PML_PROTO_BOOL: return write_bool(x, at, t);
  case PML_PROTO_FLOAT:
  case PML_PROTO_DOUBLE: return write_real(x, at, f, t);
  case PML_PROTO_STRING: return write_string(x, at, t);
  default: break;
  }
  size_t place = begin_number(x);
  int rc = write_message(x, at, f->message, t, depth + 1);
  if (rc) return rc;
  end_length(x, place);
  return 0;
}

/* The elements of an array whose bracket is read. Of strings and messages each has the tag; of
 * others the tag and the number of elements stand once, before them. */
static int write_elements(job *x, const step *at, const pml_proto_field *f, int depth) {
  int each = f->kind == PML_PROTO_STRING || f->kind == PML_PROTO_MESSAGE;
  size_t place = 0;
  for (uint32_t count = 0;; count++) {
    pml_token t;
    step here = {at, {0}, count + 1};
    int rc = pml_jsonread_next(&x->r, &t);
    if (rc) return broken(x, &here, rc);
    if (t.kind == PML_TOKEN_ARRAY_END) {
      if (!each && count) end_number(x, place, count);
      return 0;
    }
    if (each || count == 0) put_tag(x, f);
    if (!each && count == 0) place = begin_number(x);
    rc = write_value(x, &here, f, &t, depth);
    if (rc) return rc;
  }
}

static int write_repeated(job *x, const step *at, const pml_proto_field *f, const pml_token *t,
                          int depth) {
  pml_token end;
  if (t->kind == PML_TOKEN_NULL) return 0; /* as if it were not there */
  if (t->kind == PML_TOKEN_ARRAY) return write_elements(x, at, f, depth);
  if (t->kind != PML_TOKEN_OBJECT) return wrong_type(x, at, "an array", t);
  int rc = pml_jsonread_next(&x->r, &end);
  if (rc) return broken(x, at, rc);
  if (end.kind != PML_TOKEN_OBJECT_END) return wrong_type(x, at, "an array", t);
  mend(x, t, &end, "[]");
  return 0;
}

static const pml_proto_field *find(const pml_proto *m, const pml_token *key) {
  if (!key->escaped) return pml_proto_by_name(m, key->text);
  pml_writer w = {0};
  pml_jsonread_text(&w, key);
  const pml_proto_field *f = pml_proto_by_name(m, pml_slice_of(pml_writer_at(&w, 0), w.len));
  pml_writer_drop(&w);
  return f;
}

static int write_member(job *x, const step *at, const pml_proto *m, const pml_token *key,
                        uint64_t *seen, int depth) {
  pml_token t;
  int rc = pml_jsonread_next(&x->r, &t);
  if (rc) return broken(x, at, rc);
  const pml_proto_field *f = find(m, key);
  if (!f) {
    rc = pml_jsonread_skip(&x->r, &t);
    return rc ? broken(x, at, rc) : 0;
  }
  step here = {at, f->name, 0};
  uint32_t i = (uint32_t)(f - m->fields);
  if (seen[i / 64] >> i % 64 & 1) return fail(x, &here, "this member stands twice");
  seen[i / 64] |= (uint64_t)1 << i % 64;
  if (f->option == PML_PROTO_REPEATED) return write_repeated(x, &here, f, &t, depth);
  put_tag(x, f);
  return write_value(x, &here, f, &t, depth);
}

static int check_required(job *x, const step *at, const pml_proto *m, const uint64_t *seen) {
  for (uint32_t i = 0; i < m->count; i++) {
    if (m->fields[i].option != PML_PROTO_REQUIRED || (seen[i / 64] >> i % 64 & 1)) continue;
    step here = {at, m->fields[i].name, 0};
    return fail(x, &here, "it is required, and missing");
  }
  return 0;
}

/* t begins the message. */
static int write_message(job *x, const step *at, const pml_proto *m, const pml_token *t,
                         int depth) {
  uint64_t seen[PML_PROTO_FIELDS_MAX / 64] = {0};
  pml_token key;
  if (depth > PML_PROTOBUF_DEPTH)
    return fail(x, at, "deeper than " PML_TEXT_OF(PML_PROTOBUF_DEPTH) " messages");
  if (t->kind != PML_TOKEN_OBJECT && t->kind != PML_TOKEN_ARRAY)
    return wrong_type(x, at, "an object", t);
  for (;;) {
    int rc = pml_jsonread_next(&x->r, &key);
    if (rc) return broken(x, at, rc);
    if (key.kind == PML_TOKEN_OBJECT_END) break;
    if (t->kind == PML_TOKEN_ARRAY) {
      if (key.kind != PML_TOKEN_ARRAY_END) return wrong_type(x, at, "an object", t);
      mend(x, t, &key, "{}"); /* [] is an empty table, too */
      break;
    }
    rc = write_member(x, at, m, &key, seen, depth);
    if (rc) return rc;
  }
  return check_required(x, at, m, seen);
}

static int write_text(job *x, const pml_proto *m) {
  pml_token t;
  pml_jsonread_init(&x->r, x->text);
  int rc = pml_jsonread_next(&x->r, &t);
  if (!rc) {
    rc = write_message(x, NULL, m, &t, 1);
    if (rc) return rc;
    rc = pml_jsonread_next(&x->r, &t);
  }
  if (rc) return broken(x, NULL, rc);
  if (!x->wrote && !(x->flags & PML_PROTOBUF_EMPTY))
    return fail(x, NULL, "no field has a value, and clients cannot read an empty message");
  return 0;
}

int pml_protobuf_encode(const pml_proto *m, pml_slice json, unsigned flags, pml_writer *w,
                        pml_protobuf_error *err) {
  job x = {.text = json, .w = w, .flags = flags, .err = err};
  size_t before = w->len;
  int rc = write_text(&x, m);
  if (rc) pml_writer_cut(w, before);
  return rc;
}

int pml_protobuf_check(const pml_proto *m, pml_slice json, pml_writer *fixed,
                       pml_protobuf_error *err) {
  job x = {.text = json, .err = err, .fixed = fixed};
  size_t before = fixed->len;
  int rc = write_text(&x, m);
  if (rc) {
    pml_writer_cut(fixed, before);
    return rc;
  }
  if (!x.copied) return 0;
  pml_writer_put(fixed, x.copied, (size_t)(pml_slice_end(json) - x.copied));
  return 1;
}
