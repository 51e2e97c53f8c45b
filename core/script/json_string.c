#include "script/json_string.h"

#include "script/json.h"
#include "script/json_text.h"
#include "wire/utf8.h"

#include <string.h>

static void unit_escape(uint8_t *out, uint32_t u) {
  static const char hex[] = "0123456789abcdef";
  out[0] = '\\';
  out[1] = 'u';
  for (int i = 0; i < 4; i++) out[2 + i] = (uint8_t)hex[u >> (12 - 4 * i) & 15];
}

/* The same in valid UTF-8: how many bytes may be copied, none of a character cut. */
static size_t copied(const uint8_t *p, size_t n) {
  size_t i = pml_json_plain(p, n);
  while (i < n && p[i] >= 0x20 && p[i] < 0xf0 && p[i] != '"' && p[i] != '\\') i++;
  return i;
}

/* Writes the one character at p that cannot be copied; how long it is. */
static size_t special(pml_writer *w, const uint8_t *p) {
  uint8_t c = *p;
  if (c >= 0xf0) {
    uint32_t u = (c & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
    uint8_t *out = pml_writer_more(w, 12);
    u -= 0x10000;
    unit_escape(out, 0xd800 | u >> 10);
    unit_escape(out + 6, 0xdc00 | (u & 0x3ff));
    return 4;
  }
  static const char names[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
  const char *at = c ? strchr(names, c) : NULL;
  if (at) {
    uint8_t *out = pml_writer_more(w, 2);
    out[0] = '\\';
    out[1] = (uint8_t)letters[at - names];
  } else {
    unit_escape(pml_writer_more(w, 6), c);
  }
  return 1;
}

/* What can be copied or escaped, UTF-8, in quotes. */
static void quoted(pml_writer *w, const uint8_t *p, size_t n) {
  pml_writer_byte(w, '"');
  for (size_t i = 0; i < n;) {
    size_t k = copied(p + i, n - i);
    pml_writer_put(w, p + i, k);
    i += k;
    if (i < n) i += special(w, p + i);
  }
  pml_writer_byte(w, '"');
}

const char *pml_json_string(pml_writer *w, const char *s, size_t n) {
  const uint8_t *p = (const uint8_t *)s;
  if (w->len > PML_JSON_MAX || n > PML_JSON_MAX - w->len) return "too large";
  size_t k = pml_json_plain(p, n);
  if (k == n) {
    uint8_t *out = pml_writer_more(w, n + 2);
    out[0] = '"';
    if (n) memcpy(out + 1, p, n);
    out[n + 1] = '"';
    return NULL;
  }
  if (pml_utf8_valid(p + k, n - k)) {
    quoted(w, p, n);
  } else {
    pml_writer mended = {0};
    pml_utf8_mend(&mended, p, n);
    quoted(w, pml_writer_at(&mended, 0), mended.len);
    pml_writer_drop(&mended);
  }
  return w->len > PML_JSON_MAX ? "too large" : NULL;
}
