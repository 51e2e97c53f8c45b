#include "store/data.h"

#include "test/test.h"

TEST(data_keeps_values_in_order_and_texts_as_they_were) {
  pml_data l = {0};
  pml_data_null(&l);
  pml_data_bool(&l, 7);
  pml_data_int(&l, INT64_MIN);
  pml_data_real(&l, 0.5);
  pml_data_array(&l, 3);
  pml_data_text(&l, PML_DATUM_TEXT, pml_slice_str("first"));
  pml_data_text(&l, PML_DATUM_BYTES, pml_slice_of("a\0b", 3));
  pml_data_text(&l, PML_DATUM_ERROR, pml_slice_of(NULL, 0));
  CHECK_EQ(l.n, 8);
  CHECK_EQ(l.v[0].kind, PML_DATUM_NULL);
  CHECK_EQ(l.v[1].i, 1);
  CHECK(l.v[2].i == INT64_MIN);
  CHECK(l.v[3].d == 0.5);
  CHECK_EQ(l.v[4].n, 3);
  CHECK(pml_slice_eq(pml_data_slice(&l, &l.v[5]), pml_slice_str("first")));
  CHECK(pml_slice_eq(pml_data_slice(&l, &l.v[6]), pml_slice_of("a\0b", 3)));
  CHECK_EQ(pml_data_slice(&l, &l.v[7]).n, 0);
  pml_data_drop(&l);
  CHECK_EQ(l.n, 0);
}

TEST(data_knows_its_size) {
  pml_data l = {0};
  CHECK_EQ(pml_data_size(&l), 0);
  pml_data_text(&l, PML_DATUM_TEXT, pml_slice_str("12345"));
  CHECK_EQ(pml_data_size(&l), sizeof *l.v + 5);
  for (int i = 0; i < 1000; i++) pml_data_int(&l, i);
  CHECK_EQ(pml_data_size(&l), 1001 * sizeof *l.v + 5);
  CHECK_EQ(l.v[1000].i, 999);
  pml_data_drop(&l);
}

TEST(data_that_is_cleared_keeps_little_memory) {
  pml_data l = {0};
  pml_data_clear(&l);
  pml_data_text(&l, PML_DATUM_TEXT, pml_slice_str("first"));
  const pml_datum *v = l.v;
  pml_data_clear(&l);
  CHECK_EQ(l.n, 0);
  CHECK_EQ(pml_data_size(&l), 0);
  pml_data_text(&l, PML_DATUM_TEXT, pml_slice_str("2nd"));
  CHECK(l.v == v);
  CHECK(pml_slice_eq(pml_data_slice(&l, &l.v[0]), pml_slice_str("2nd")));
  for (int i = 0; i < 1000; i++) pml_data_int(&l, i);
  pml_data_clear(&l);
  CHECK(!l.v);
  char long_text[5000] = {0};
  pml_data_text(&l, PML_DATUM_TEXT, pml_slice_of(long_text, sizeof long_text));
  pml_data_clear(&l);
  CHECK(!l.v);
}

TEST(data_appends_a_list) {
  pml_data a = {0}, b = {0};
  pml_data_append(&a, &b);
  CHECK_EQ(a.n, 0);
  pml_data_text(&a, PML_DATUM_TEXT, pml_slice_str("first"));
  pml_data_int(&b, 7);
  pml_data_text(&b, PML_DATUM_BYTES, pml_slice_str("second"));
  pml_data_append(&a, &b);
  pml_data_drop(&b);
  CHECK_EQ(a.n, 3);
  CHECK_EQ(a.v[1].i, 7);
  CHECK(pml_slice_eq(pml_data_slice(&a, &a.v[0]), pml_slice_str("first")));
  CHECK(pml_slice_eq(pml_data_slice(&a, &a.v[2]), pml_slice_str("second")));
  pml_data_drop(&a);
}
