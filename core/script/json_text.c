#include "script/json_text.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The byte behind the number that begins at p; NULL when it is no number of JSON's grammar, or one
 * that no double can hold. */
static const char *scan_number(const char *p) {
  const char *start = p;
  int exponent = 0;
  if (*p == '-') p++;
  if (!is_digit(*p)) return NULL;
  if (*p == '0') p++;
  else
    while (is_digit(*p)) p++;
  if (*p == '.') {
    if (!is_digit(*++p)) return NULL;
    while (is_digit(*p)) p++;
  }
  if (*p == 'e' || *p == 'E') {
    exponent = 1;
    p++;
    if (*p == '+' || *p == '-') p++;
    if (!is_digit(*p)) return NULL;
    while (is_digit(*p)) p++;
  }
  /* Only these can be beyond what a double holds. */
  if ((exponent || p - start > 300) && !isfinite(strtod(start, NULL))) return NULL;
  return p;
}

static int hex(char c) {
  if (is_digit(c)) return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Which half of a surrogate pair the escape stands for that begins with the backslash at p: 1 the
 * high half, 2 the low half, 0 none of them. Reads no byte behind the NUL that ends the text. */
static int surrogate(const char *p) {
  if (p[0] != '\\' || p[1] != 'u' || (p[2] | 0x20) != 'd') return 0;
  int second = hex(p[3]);
  if (second < 8 || hex(p[4]) < 0 || hex(p[5]) < 0) return 0;
  return second < 12 ? 1 : 2;
}

/* How many bytes the caller may skip at p, where an escape begins: 12 for both halves of a
 * surrogate pair; 6 for one half without the other, and *lone is 1 then; 2 for every other escape,
 * whose digits are ordinary characters. */
static size_t escape(const char *p, int *lone) {
  int half = surrogate(p);
  *lone = 0;
  if (half == 0) return 2;
  if (half == 1 && surrogate(p + 6) == 2) return 12;
  *lone = 1;
  return 6;
}

/* The byte behind the string whose first character is at p; NULL when the string holds a control
 * character that is not escaped, or does not end. Sets PML_JSON_LONE in *found. */
static const char *scan_string(const char *p, const char *end, int *found) {
  while (p < end) {
    p += pml_json_plain((const uint8_t *)p, (size_t)(end - p));
    if (p == end) break;
    uint8_t c = (uint8_t)*p;
    if (c == '"') return p + 1;
    if (c < 0x20) return NULL;
    if (c != '\\') {
      p++;
      continue;
    }
    if ((uint8_t)p[1] < 0x20) return NULL;
    int lone;
    p += escape(p, &lone);
    if (lone) *found |= PML_JSON_LONE;
  }
  return NULL;
}

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The byte behind the array that begins at p, when the array is empty; otherwise NULL. */
static const char *empty_array(const char *p) {
  do p++;
  while (is_blank(*p));
  return *p == ']' ? p + 1 : NULL;
}

int pml_json_scan(const char *p, size_t n, int *found) {
  const char *end = p + n;
  int seen = 0;
  while (p < end) {
    if (*p == '"') {
      p = scan_string(p + 1, end, &seen);
      if (!p) return PML_EPROTO;
    } else if (*p == '-' || is_digit(*p)) {
      p = scan_number(p);
      if (!p) return PML_EPROTO;
    } else if (*p == '[') {
      const char *behind = empty_array(p);
      if (behind) seen |= PML_JSON_EMPTY;
      p = behind ? behind : p + 1;
    } else {
      if ((uint8_t)*p < 0x20 && !is_blank(*p)) return PML_EPROTO;
      if (*p++ == 'n') seen |= PML_JSON_NULL;
    }
  }
  *found = seen;
  return 0;
}

/* Returns the byte behind the string whose first character is at p. For each half of a surrogate
 * pair that stands alone, appends the text from *from up to it, then its replacement, and moves
 * *from behind it. */
static const char *rewrite_string(pml_writer *w, const char *p, const char *end,
                                  const char **from) {
  while (p < end) {
    p += pml_json_plain((const uint8_t *)p, (size_t)(end - p));
    if (p == end) break;
    if (*p == '"') return p + 1;
    if (*p != '\\') {
      p++;
      continue;
    }
    int lone;
    size_t n = escape(p, &lone);
    if (lone) {
      pml_writer_put(w, *from, (size_t)(p - *from));
      pml_writer_put(w, "\\ufffd", 6);
      *from = p + n;
    }
    p += n;
  }
  return end;
}

void pml_json_rewrite(pml_writer *w, const char *p, size_t n) {
  const char *end = p + n, *from = p;
  while (p < end) {
    const char *behind = *p == '[' ? empty_array(p) : NULL;
    if (behind) {
      pml_writer_put(w, from, (size_t)(p - from));
      pml_writer_put(w, PML_JSON_MARK, sizeof PML_JSON_MARK - 1);
      from = p = behind;
    } else if (*p == '"') {
      p = rewrite_string(w, p + 1, end, &from);
    } else {
      p++;
    }
  }
  pml_writer_put(w, from, (size_t)(end - from));
}
