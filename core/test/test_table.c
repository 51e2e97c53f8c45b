#include "base/table.h"

#include "test/test.h"

TEST(table_finds_what_was_added_and_not_what_was_removed) {
  enum { N = 1000 };
  static pml_link l[N];
  pml_table t = {NULL, 0, 0};
  CHECK(pml_table_first(&t, 7) == NULL);
  for (uint32_t i = 0; i < N; i++) pml_table_add(&t, &l[i], i * 2654435761u);
  CHECK_EQ(t.count, N);
  for (uint32_t i = 0; i < N; i += 3) pml_table_remove(&t, &l[i]);
  for (uint32_t i = 0; i < N; i++) {
    pml_link *found = pml_table_first(&t, i * 2654435761u);
    CHECK(found == (i % 3 ? &l[i] : NULL));
  }
  pml_table_fini(&t);
  CHECK_EQ(t.count, 0);
}

TEST(table_gives_all_of_one_hash_value_newest_first) {
  enum { N = 50 };
  static pml_link l[N], other[N];
  pml_table t = {NULL, 0, 0};
  for (uint32_t i = 0; i < N; i++) {
    pml_table_add(&t, &l[i], 5);
    pml_table_add(&t, &other[i], 5 + 64 * (i + 1)); /* the same place for long */
  }
  pml_link *at = pml_table_first(&t, 5);
  for (int i = N - 1; i >= 0; i--, at = pml_table_next(at)) CHECK(at == &l[i]);
  CHECK(at == NULL);
  pml_table_fini(&t);
}
