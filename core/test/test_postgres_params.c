#include "base/err.h"
#include "store/postgres_params.h"
#include "test/test.h"

static pml_slice str(const char *s) { return pml_slice_str(s); }

TEST(postgres_params_are_texts_and_bytes) {
  pml__pg_params p = {0};
  pml_data d = {0};
  char err[200];
  pml_data_null(&d);
  pml_data_bool(&d, 1);
  pml_data_bool(&d, 0);
  pml_data_int(&d, INT64_MIN);
  pml_data_real(&d, 0.1);
  pml_data_text(&d, PML_DATUM_TEXT, str("x'y"));
  pml_data_text(&d, PML_DATUM_BYTES, pml_slice_of("a\0b", 3));
  pml_data_text(&d, PML_DATUM_BYTES, str(""));
  CHECK_EQ(pml__pg_params_set(&p, str("select $1"), &d, err, sizeof err), 0);
  CHECK_STR(p.text, "select $1");
  CHECK_EQ(p.n, 8);
  CHECK(p.values[0] == NULL);
  CHECK_STR(p.values[1], "t");
  CHECK_STR(p.values[2], "f");
  CHECK_STR(p.values[3], "-9223372036854775808");
  CHECK_STR(p.values[4], "0.10000000000000001");
  CHECK_STR(p.values[5], "x'y");
  CHECK_EQ(p.types[5], 0);
  CHECK_EQ(p.formats[5], 0);
  CHECK(memcmp(p.values[6], "a\0b", 3) == 0);
  CHECK_EQ(p.types[6], 17);
  CHECK_EQ(p.formats[6], 1);
  CHECK_EQ(p.lengths[6], 3);
  CHECK(p.values[7] != NULL);
  CHECK_EQ(p.lengths[7], 0);
  pml_data_drop(&d);
  pml__pg_params_drop(&p);
}

TEST(postgres_params_are_used_again) {
  pml__pg_params p = {0};
  char err[200], text[32];
  for (int n = 40; n >= 0; n -= 10) {
    pml_data d = {0};
    for (int i = 0; i < n; i++) pml_data_int(&d, i * 1000000007LL);
    CHECK_EQ(pml__pg_params_set(&p, str("insert"), &d, err, sizeof err), 0);
    CHECK_EQ(p.n, n);
    for (int i = 0; i < n; i++) {
      snprintf(text, sizeof text, "%lld", i * 1000000007LL);
      CHECK_STR(p.values[i], text);
      CHECK_EQ(p.formats[i], 0);
    }
    pml_data_drop(&d);
  }
  pml__pg_params_drop(&p);
}

TEST(postgres_params_refuse_what_postgresql_cannot_keep) {
  pml__pg_params p = {0};
  pml_data d = {0}, many = {0}, array = {0};
  char err[200];
  pml_data_int(&d, 1);
  pml_data_text(&d, PML_DATUM_TEXT, pml_slice_of("a\0b", 3));
  CHECK_EQ(pml__pg_params_set(&p, str("x"), &d, err, sizeof err), PML_EINVAL);
  CHECK(strstr(err, "parameter 2 is a text with a zero byte") != NULL);
  pml_data_drop(&d);
  CHECK_EQ(pml__pg_params_set(&p, pml_slice_of("x\0y", 3), &d, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "the statement has a zero byte");
  for (int i = 0; i <= PML__PG_MAX_PARAMS; i++) pml_data_null(&many);
  CHECK_EQ(pml__pg_params_set(&p, str("x"), &many, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "more than 65535 parameters");
  pml_data_array(&array, 0);
  CHECK_EQ(pml__pg_params_set(&p, str("x"), &array, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "parameter 1 is an array");
  pml_data_drop(&many);
  pml_data_drop(&array);
  pml__pg_params_drop(&p);
}
