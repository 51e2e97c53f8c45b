#include "wire/http_fields.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *p) { return p + strspn(p, " \t"); }

/* Reads digits; what is beyond 64 bits is the largest number. NULL when there is no digit. */
static const char *read_number(const char *p, uint64_t *n) {
  const char *start = p;
  *n = 0;
  for (; *p >= '0' && *p <= '9'; p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    *n = *n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *n * 10 + digit;
  }
  return p == start ? NULL : p;
}

pml_range pml_http_range(const char *value, uint64_t size, uint64_t *first, uint64_t *count) {
  uint64_t from = 0, to;
  if (!value || strncasecmp(value, "bytes=", 6) != 0) return PML_RANGE_NONE;
  const char *p = skip_blanks(value + 6);
  int suffix = *p == '-';
  if (!suffix && !(p = read_number(p, &from))) return PML_RANGE_NONE;
  if (*p != '-') return PML_RANGE_NONE;
  const char *after = read_number(p + 1, &to);
  if (suffix && !after) return PML_RANGE_NONE;
  if (!after) to = UINT64_MAX;
  p = skip_blanks(after ? after : p + 1);
  if (*p || (!suffix && to < from)) return PML_RANGE_NONE;
  if (suffix) {
    if (to == 0 || size == 0) return PML_RANGE_OUTSIDE;
    from = to < size ? size - to : 0;
    to = size - 1;
  }
  if (from >= size) return PML_RANGE_OUTSIDE;
  if (to > size - 1) to = size - 1;
  *first = from;
  *count = to - from + 1;
  return PML_RANGE_PART;
}

/* The weight in ";q=0.5" behind a coding, in thousandths; 1000 without one, 0 when it is no weight.
 */
static int read_weight(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == ';')) p++;
  if (p == end) return 1000;
  if (end - p < 3 || (*p != 'q' && *p != 'Q') || p[1] != '=') return 0;
  p += 2;
  if (*p == '1') return 1000;
  if (*p != '0') return 0;
  int weight = 0, unit = 100;
  if (++p < end && *p == '.') p++;
  for (; p < end && *p >= '0' && *p <= '9' && unit; p++, unit /= 10) weight += (*p - '0') * unit;
  return weight;
}

int pml_http_accepts(const char *value, const char *coding) {
  size_t n = strlen(coding);
  int any = 0;
  if (!value) return 0;
  for (const char *p = value; *p;) {
    p += strspn(p, " \t,");
    const char *end = p + strcspn(p, ",");
    size_t name = strcspn(p, " \t;,");
    if (name == n && strncasecmp(p, coding, n) == 0) return read_weight(p + name, end);
    if (name == 1 && *p == '*') any = read_weight(p + name, end);
    p = end;
  }
  return any;
}
