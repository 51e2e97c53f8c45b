#include "base/json_number.h"

#include "test/test.h"

#include <math.h>

static const char *text(double d) {
  static char out[PML_JSON_NUMBER_MAX + 1];
  int n = pml_json_number(d, out);
  out[n] = '\0';
  return out;
}

TEST(json_number_is_the_shortest_text_that_reads_back) {
  CHECK_STR(text(0), "0");
  CHECK_STR(text(-0.0), "0");
  CHECK_STR(text(-17), "-17");
  CHECK_STR(text(9007199254740992.0), "9007199254740992");
  CHECK_STR(text(0.1), "0.1");
  CHECK_STR(text(-1234.5678), "-1234.5678");
  CHECK_STR(text(0.1 + 0.2), "0.30000000000000004");
  CHECK_STR(text(1e21), "1e+21");
  CHECK_STR(text(5e-324), "4.94065645841247e-324");
}

TEST(json_number_has_no_text_for_what_is_not_finite) {
  char out[PML_JSON_NUMBER_MAX];
  CHECK_EQ(pml_json_number(NAN, out), 0);
  CHECK_EQ(pml_json_number(INFINITY, out), 0);
  CHECK_EQ(pml_json_number(-INFINITY, out), 0);
}
