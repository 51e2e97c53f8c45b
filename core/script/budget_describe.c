#include "script/budget_private.h"

#include <string.h>

void pml__budget_describe(const pml_budget_slot *s, char out[192]) {
  const char *what = atomic_load(&s->what);
  const uint8_t *p = atomic_load(&s->detail);
  size_t n = atomic_load(&s->ndetail), k = 0;
  for (; what && *what && k < 48; what++) out[k++] = *what;
  if (n) out[k++] = ' ';
  for (size_t i = 0; i < n && k < 190; i++)
    out[k++] = p[i] > 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\' ? (char)p[i] : '?';
  out[k] = '\0';
}

void pml_budget_describe(const pml_budget_slot *s, char out[224]) {
  char digits[12];
  size_t n = 0, k;
  if (!s || !(atomic_load(&s->turn) & 1)) {
    memcpy(out, "no script", 10);
    return;
  }
  pml__budget_describe(s, out);
  k = strlen(out);
  memcpy(out + k, " (generation ", 13);
  k += 13;
  for (uint32_t g = s->generation ? *s->generation : 1; g || !n; g /= 10)
    digits[n++] = (char)('0' + g % 10);
  while (n) out[k++] = digits[--n];
  memcpy(out + k, ")", 2);
}
