#include "base/slot.h"

#include "test/test.h"

TEST(slot_stale_id_finds_nothing) {
  pml_slots *t = pml_slots_new();
  int a, b;
  pml_id first = pml_slots_put(t, &a);
  CHECK(pml_slots_take(t, first) == &a);
  pml_id second = pml_slots_put(t, &b); /* same place */
  CHECK(second != first);
  CHECK(pml_slots_get(t, first) == NULL);
  CHECK(pml_slots_take(t, first) == NULL);
  CHECK(pml_slots_get(t, second) == &b);
  pml_slots_free(t);
}

TEST(slot_runs_out_of_places) {
  enum { PLACES = 15 }; /* PML_SLOT_BITS is 4 in test builds, and place 0 is not used */
  pml_slots *t = pml_slots_new();
  int x;
  pml_id id[PLACES];
  for (int i = 0; i < PLACES; i++) CHECK((id[i] = pml_slots_put(t, &x)) != 0);
  CHECK_EQ(pml_slots_put(t, &x), 0);
  CHECK(pml_slots_take(t, id[1]) == &x);
  CHECK(pml_slots_put(t, &x) != 0);
  CHECK_EQ(pml_slots_count(t), PLACES);
  pml_slots_free(t);
}

TEST(slot_ids_that_were_never_given_out_find_nothing) {
  pml_slots *t = pml_slots_new();
  int x;
  pml_id id = pml_slots_put(t, &x);
  CHECK(pml_slots_get(t, 0) == NULL);
  CHECK(pml_slots_get(t, id + 1) == NULL);
  CHECK(pml_slots_get(t, id | 1ull << 60) == NULL);
  CHECK(pml_slots_take(t, ~0ull) == NULL);
  CHECK_EQ(pml_slots_count(t), 1);
  pml_slots_free(t);
}

TEST(slot_ids_fit_a_lua_number) {
  pml_slots *t = pml_slots_new();
  int x;
  for (int i = 0; i < 1000; i++) {
    pml_id id = pml_slots_put(t, &x);
    CHECK(id != 0 && id < 1ull << 53);
    CHECK(pml_slots_take(t, id) == &x);
  }
  pml_slots_free(t);
}
