#include "wire/jsonread.h"

#include "base/err.h"
#include "wire/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX 128
#define FAST_DIGITS 15 /* a whole number of so many digits is exact in a double */
#define FAST_TEN 22    /* and so is this power of ten */

enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COMMA_OR_END, NOTHING, BROKEN };

void pml_jsonread_init(pml_jsonread *r, pml_slice text) {
  memset(r, 0, sizeof *r);
  r->begin = r->at = text.p;
  r->end = pml_slice_end(text);
  r->expects = VALUE;
}

size_t pml_jsonread_offset(const pml_jsonread *r) { return (size_t)(r->at - r->begin); }

static int fail(pml_jsonread *r, int err) {
  r->expects = BROKEN;
  return err;
}

static void skip_space(pml_jsonread *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
    r->at++;
}

static int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape, -1: there are none. */
static int32_t unit(const uint8_t *p, const uint8_t *end) {
  int32_t u = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int h = hex(p[i]);
    if (h < 0) return -1;
    u = u << 4 | h;
  }
  return u;
}

/* at: behind the first quote. */
static int read_string(pml_jsonread *r, pml_token *out) {
  const uint8_t *p = r->at;
  out->escaped = 0;
  for (; p < r->end && *p != '"'; p++) {
    if (*p < 0x20) break;
    if (*p != '\\') continue;
    out->escaped = 1;
    if (++p == r->end) break;
    if (*p == 'u') {
      if (unit(p + 1, r->end) < 0) break;
      p += 4;
    } else if (*p == 0 || !strchr("\"\\/bfnrt", *p)) {
      break;
    }
  }
  if (p == r->end || *p != '"') {
    r->at = p;
    return fail(r, PML_EPROTO);
  }
  out->text = pml_slice_of(r->at, (size_t)(p - r->at));
  r->at = p + 1;
  return 0;
}

static const uint8_t *digits(const uint8_t *p, const uint8_t *end) {
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p;
}

/* The end of the number at p, NULL: there is none. */
static const uint8_t *number_end(const uint8_t *p, const uint8_t *end) {
  if (p < end && *p == '-') p++;
  const uint8_t *q = digits(p, end);
  if (q == p || (*p == '0' && q - p > 1)) return NULL;
  if (q < end && *q == '.') {
    p = q + 1;
    q = digits(p, end);
    if (q == p) return NULL;
  }
  if (q < end && (*q | 0x20) == 'e') {
    p = q + 1;
    if (p < end && (*p == '+' || *p == '-')) p++;
    q = digits(p, end);
    if (q == p) return NULL;
  }
  return q;
}

static int read_number(pml_jsonread *r, pml_token *out) {
  const uint8_t *q = number_end(r->at, r->end);
  if (!q) return fail(r, PML_EPROTO);
  out->kind = PML_TOKEN_NUMBER;
  out->text = pml_slice_of(r->at, (size_t)(q - r->at));
  r->at = q;
  return 0;
}

static int read_word(pml_jsonread *r, pml_token *out, const char *word, int kind) {
  size_t n = strlen(word);
  if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return fail(r, PML_EPROTO);
  out->kind = (uint8_t)kind;
  out->text = pml_slice_of(r->at, n);
  r->at += n;
  return 0;
}

static int open_level(pml_jsonread *r, pml_token *out, int object) {
  if (r->depth == PML_JSONREAD_DEPTH) return fail(r, PML_ETOOBIG);
  uint64_t bit = (uint64_t)1 << r->depth++;
  r->objects = object ? r->objects | bit : r->objects & ~bit;
  out->kind = object ? PML_TOKEN_OBJECT : PML_TOKEN_ARRAY;
  out->text = pml_slice_of(r->at++, 1);
  r->expects = object ? KEY_OR_END : VALUE_OR_END;
  return 0;
}

static int in_object(const pml_jsonread *r) { return (int)(r->objects >> (r->depth - 1) & 1); }

static void after_value(pml_jsonread *r) { r->expects = r->depth ? COMMA_OR_END : NOTHING; }

static int close_level(pml_jsonread *r, pml_token *out) {
  out->kind = in_object(r) ? PML_TOKEN_OBJECT_END : PML_TOKEN_ARRAY_END;
  out->text = pml_slice_of(r->at++, 1);
  r->depth--;
  after_value(r);
  return 0;
}

static int read_value(pml_jsonread *r, pml_token *out) {
  int rc;
  switch (*r->at) {
  case '{': return open_level(r, out, 1);
  case '[': return open_level(r, out, 0);
  case '"':
    r->at++;
    out->kind = PML_TOKEN_STRING;
    rc = read_string(r, out);
    break;
  case 't': rc = read_word(r, out, "true", PML_TOKEN_TRUE); break;
  case 'f': rc = read_word(r, out, "false", PML_TOKEN_FALSE); break;
  case 'n': rc = read_word(r, out, "null", PML_TOKEN_NULL); break;
  default: rc = read_number(r, out); break;
  }
  if (rc) return rc;
  after_value(r);
  return 0;
}

static int read_key(pml_jsonread *r, pml_token *out) {
  if (*r->at != '"') return fail(r, PML_EPROTO);
  r->at++;
  out->kind = PML_TOKEN_KEY;
  int rc = read_string(r, out);
  if (rc) return rc;
  skip_space(r);
  if (r->at == r->end || *r->at != ':') return fail(r, PML_EPROTO);
  r->at++;
  r->expects = VALUE;
  return 0;
}

int pml_jsonread_next(pml_jsonread *r, pml_token *out) {
  pml_token t = {0};
  skip_space(r);
  if (r->at == r->end) {
    if (r->expects != NOTHING) return fail(r, PML_EPROTO);
    *out = t; /* PML_TOKEN_END */
    return 0;
  }
  if (r->expects == NOTHING || r->expects == BROKEN) return fail(r, PML_EPROTO);
  int closes = r->expects != VALUE && r->expects != KEY && *r->at == (in_object(r) ? '}' : ']');
  int rc;
  if (closes) {
    rc = close_level(r, &t);
  } else {
    if (r->expects == COMMA_OR_END) {
      if (*r->at != ',') return fail(r, PML_EPROTO);
      r->at++;
      skip_space(r);
      if (r->at == r->end) return fail(r, PML_EPROTO);
      r->expects = in_object(r) ? KEY : VALUE;
    }
    int key = r->expects == KEY || r->expects == KEY_OR_END;
    rc = key ? read_key(r, &t) : read_value(r, &t);
  }
  if (rc) return rc;
  *out = t;
  return 0;
}

int pml_jsonread_skip(pml_jsonread *r, const pml_token *t) {
  if (t->kind != PML_TOKEN_OBJECT && t->kind != PML_TOKEN_ARRAY) return 0;
  unsigned outside = r->depth - 1u;
  pml_token x;
  do {
    int rc = pml_jsonread_next(r, &x);
    if (rc) return rc;
  } while (r->depth > outside);
  return 0;
}

static void put_unit(pml_writer *w, uint32_t c) {
  uint8_t b[4];
  size_t n = 0;
  if (c < 0x80) {
    b[n++] = (uint8_t)c;
  } else if (c < 0x800) {
    b[n++] = (uint8_t)(0xc0 | c >> 6);
    b[n++] = (uint8_t)(0x80 | (c & 63));
  } else if (c < 0x10000) {
    b[n++] = (uint8_t)(0xe0 | c >> 12);
    b[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
    b[n++] = (uint8_t)(0x80 | (c & 63));
  } else {
    b[n++] = (uint8_t)(0xf0 | c >> 18);
    b[n++] = (uint8_t)(0x80 | (c >> 12 & 63));
    b[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
    b[n++] = (uint8_t)(0x80 | (c & 63));
  }
  pml_writer_put(w, b, n);
}

/* p: behind the u of an escape that was checked. Returns what is behind it, or behind its pair. */
static const uint8_t *put_escaped_unit(pml_writer *w, const uint8_t *p, const uint8_t *end) {
  uint32_t c = (uint32_t)unit(p, end);
  p += 4;
  if (c >= 0xd800 && c <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
    uint32_t low = (uint32_t)unit(p + 2, end);
    if (low >= 0xdc00 && low <= 0xdfff) {
      put_unit(w, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)));
      return p + 6;
    }
  }
  put_unit(w, c >= 0xd800 && c <= 0xdfff ? 0xfffd : c);
  return p;
}

void pml_jsonread_text(pml_writer *w, const pml_token *t) {
  const uint8_t *p = t->text.p, *end = p + t->text.n;
  while (p < end) {
    const uint8_t *q = t->escaped ? memchr(p, '\\', (size_t)(end - p)) : NULL;
    if (!q) q = end;
    pml_utf8_mend(w, p, (size_t)(q - p));
    if (q == end) return;
    uint8_t c = q[1];
    p = q + 2;
    switch (c) {
    case 'u': p = put_escaped_unit(w, p, end); break;
    case 'b': pml_writer_byte(w, '\b'); break;
    case 'f': pml_writer_byte(w, '\f'); break;
    case 'n': pml_writer_byte(w, '\n'); break;
    case 'r': pml_writer_byte(w, '\r'); break;
    case 't': pml_writer_byte(w, '\t'); break;
    default: pml_writer_byte(w, c); break;
    }
  }
}

/* A number of few digits and a small exponent, which needs one exact step only. */
static int fast_number(const uint8_t *p, const uint8_t *end, double *out) {
  static const double ten[FAST_TEN + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                           1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  int negative = *p == '-', count = 0, fraction = 0, dot = 0;
  uint64_t m = 0;
  for (p += negative; p < end; p++) {
    if (*p == '.') {
      dot = 1;
      continue;
    }
    if (*p > '9') return 0; /* an exponent */
    if (++count > FAST_DIGITS) return 0;
    m = m * 10 + (uint64_t)(*p - '0');
    fraction += dot;
  }
  double d = (double)m / ten[fraction];
  *out = negative ? -d : d;
  return 1;
}

/* The same number without a decimal point, which is another one where a script called
 * os.setlocale: 1.25e3 becomes 125e1. out has room for n + 16 bytes. */
static void without_point(const uint8_t *p, size_t n, char *out) {
  size_t at = 0, i = 0;
  int exponent = 0, dot = 0;
  for (; i < n && (p[i] | 0x20) != 'e'; i++) {
    if (p[i] == '.') {
      dot = 1;
      continue;
    }
    exponent -= dot;
    out[at++] = (char)p[i];
  }
  if (i < n) {
    int negative = p[i + 1] == '-', e = 0;
    for (i += 1 + (p[i + 1] == '-' || p[i + 1] == '+'); i < n; i++)
      if (e < 100000) e = e * 10 + (p[i] - '0');
    exponent += negative ? -e : e;
  }
  snprintf(out + at, 12, "e%d", exponent);
}

int pml_jsonread_number(pml_slice text, double *out) {
  char plain[NUMBER_TEXT_MAX + 16];
  if (text.n == 0 || number_end(text.p, pml_slice_end(text)) != pml_slice_end(text))
    return PML_EPROTO;
  if (fast_number(text.p, pml_slice_end(text), out)) return 0;
  if (text.n > NUMBER_TEXT_MAX) return PML_ETOOBIG;
  without_point(text.p, text.n, plain);
  double d = strtod(plain, NULL);
  if (!isfinite(d)) return PML_ETOOBIG;
  *out = d;
  return 0;
}
