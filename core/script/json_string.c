#include "script/json_string.h"

#include "base/json_char.h"
#include "script/json.h"
#include "script/json_text.h"
#include "wire/utf8.h"

#include <string.h>

/* The same in valid UTF-8: how many bytes may be copied, none of a character cut. */
static size_t copied(const uint8_t *p, size_t n) {
  size_t i = pml_json_plain(p, n);
  while (i < n && p[i] >= 0x20 && p[i] < 0xf0 && p[i] != '"' && p[i] != '\\') i++;
  return i;
}

/* What can be copied or escaped, UTF-8, in quotes. */
static void quoted(pml_writer *w, const uint8_t *p, size_t n) {
  pml_writer_byte(w, '"');
  for (size_t i = 0; i < n;) {
    size_t k = copied(p + i, n - i);
    pml_writer_put(w, p + i, k);
    i += k;
    if (i < n) i += pml_json_put_char(w, p + i);
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
