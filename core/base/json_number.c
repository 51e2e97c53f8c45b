#include "base/json_number.h"

#include "base/limits.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digits(uint64_t u, char *out) {
  char back[20];
  int n = 0;
  do {
    back[n++] = (char)('0' + u % 10);
    u /= 10;
  } while (u);
  for (int i = 0; i < n; i++) out[i] = back[n - 1 - i];
  return n;
}

/* d has at most six decimals: what most fractions in games look like. A decimal
 * of 15 digits or fewer that gives d is the only one that short, so it is the
 * shortest. 0: not such a number. */
static int few_decimals(double d, char *out) {
  double a = fabs(d), scaled = nearbyint(a * 1e6);
  if (a >= 1e9 || a < 1e-4 || scaled / 1e6 != a) return 0;
  uint64_t u = (uint64_t)scaled;
  int n = 0;
  if (d < 0) out[n++] = '-';
  n += digits(u / 1000000, out + n);
  uint32_t fraction = (uint32_t)(u % 1000000);
  out[n++] = '.';
  for (uint32_t unit = 100000; fraction; unit /= 10) {
    out[n++] = (char)('0' + fraction / unit);
    fraction %= unit;
  }
  return n;
}

int pml_json_number(double d, char out[PML_JSON_NUMBER_MAX]) {
  if (d >= -PML_INTEGER_MAX && d <= PML_INTEGER_MAX) {
    int64_t i = (int64_t)d;
    if ((double)i == d) {
      int sign = i < 0;
      if (sign) out[0] = '-';
      return sign + digits((uint64_t)(sign ? -i : i), out + sign);
    }
    int n = few_decimals(d, out);
    if (n) return n;
  }
  if (!isfinite(d)) return 0;
  int n = 0;
  for (int precision = 15; precision <= 17; precision++) { /* %g drops zeros at the end */
    n = snprintf(out, PML_JSON_NUMBER_MAX, "%.*g", precision, d);
    if (strtod(out, NULL) == d) break;
  }
  /* A script may have called os.setlocale: another decimal point. */
  for (int i = 0; i < n; i++) {
    if ((out[i] < '0' || out[i] > '9') && !strchr("+-e", out[i])) out[i] = '.';
  }
  return n;
}
