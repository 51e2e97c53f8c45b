#include "wire/http_query.h"

static int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the "%" at i stands for; -1: it has no two digits behind it. */
static int byte_at(pml_slice s, size_t i) {
  if (s.n - i < 3) return -1;
  int high = digit(s.p[i + 1]), low = digit(s.p[i + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int pml_http_query_next(pml_slice *rest, pml_slice *name, pml_slice *value) {
  while (rest->n && rest->p[0] == '&') *rest = pml_slice_from(*rest, 1);
  if (!rest->n) return 0;
  const uint8_t *end = memchr(rest->p, '&', rest->n);
  pml_slice pair = pml_slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
  *rest = pml_slice_from(*rest, pair.n);
  const uint8_t *is = memchr(pair.p, '=', pair.n);
  *name = pml_slice_of(pair.p, is ? (size_t)(is - pair.p) : pair.n);
  *value = pml_slice_from(pair, is ? name->n + 1 : pair.n);
  return 1;
}

size_t pml_http_decode(pml_slice s, int form, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    int c = s.p[i] == '%' ? byte_at(s, i) : -1;
    if (c >= 0) i += 2;
    else c = form && s.p[i] == '+' ? ' ' : s.p[i];
    out[n++] = (uint8_t)c;
  }
  return n;
}

int pml_http_is_encoded(pml_slice s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] == '%' && byte_at(s, i) <= 0) return 0;
  return 1;
}
