#include "base/json_char.h"

#include <string.h>

void pml_json_put_unit(pml_writer *w, uint32_t unit) {
  static const char hex[] = "0123456789abcdef";
  uint8_t *out = pml_writer_more(w, 6);
  out[0] = '\\';
  out[1] = 'u';
  for (int i = 0; i < 4; i++) out[2 + i] = (uint8_t)hex[unit >> (12 - 4 * i) & 15];
}

static void put_pair(pml_writer *w, const uint8_t *p) {
  uint32_t u = (p[0] & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
  u -= 0x10000;
  pml_json_put_unit(w, 0xd800 | u >> 10);
  pml_json_put_unit(w, 0xdc00 | (u & 0x3ff));
}

size_t pml_json_put_char(pml_writer *w, const uint8_t *p) {
  static const char names[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
  uint8_t c = *p;
  if (c >= 0xf0) {
    put_pair(w, p);
    return 4;
  }
  if (c >= 0x80) {
    size_t n = c < 0xe0 ? 2 : 3;
    pml_writer_put(w, p, n);
    return n;
  }
  const char *at = c ? strchr(names, c) : NULL;
  if (at) {
    uint8_t *out = pml_writer_more(w, 2);
    out[0] = '\\';
    out[1] = (uint8_t)letters[at - names];
  } else if (c < 0x20) {
    pml_json_put_unit(w, c);
  } else {
    pml_writer_byte(w, c);
  }
  return 1;
}
