#include "base/slot.h"

#include "test/test.h"

TEST(slot_stale_id_finds_nothing) {
  pml_slots *t = pml_slots_new(NULL);
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
  pml_slots *t = pml_slots_new(NULL);
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
  pml_slots *t = pml_slots_new(NULL);
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
  pml_slots *t = pml_slots_new(NULL);
  int x;
  for (int i = 0; i < 1000; i++) {
    pml_id id = pml_slots_put(t, &x);
    CHECK(id != 0 && id < 1ull << 53);
    CHECK(pml_slots_take(t, id) == &x);
  }
  pml_slots_free(t);
}

TEST(slot_ids_do_not_come_again_in_the_tables_of_one_floor) {
  enum { LIVES = 20, PUTS = 40 };
  pml_slot_floor floor = {0};
  static pml_id seen[LIVES * PUTS];
  int n = 0, x;
  for (int life = 0; life < LIVES; life++) {
    pml_slots *t = pml_slots_new(&floor);
    for (int i = 0; i < n; i++) CHECK(pml_slots_get(t, seen[i]) == NULL);
    for (int i = 0; i < PUTS; i++) {
      pml_id id = pml_slots_put(t, &x);
      CHECK(id != 0 && id < 1ull << 53);
      for (int k = 0; k < n; k++) CHECK(seen[k] != id);
      CHECK(pml_slots_get(t, id) == &x);
      seen[n++] = id;
      if ((i + life) % 5) CHECK(pml_slots_take(t, id) == &x);
      else if (pml_slots_count(t) > 3) pml_slots_take(t, seen[n - 1]);
    }
    pml_slots_free(t);
  }
  pml_slots *none = pml_slots_new(&floor); /* one that gave out nothing leaves the floor */
  uint64_t at = floor.at;
  pml_slots_free(none);
  CHECK_EQ(floor.at, at);
}

/* Generations are used up in years of load; then the next tables have other places. */
TEST(slot_floor_moves_to_other_places_when_generations_are_worn) {
  pml_slot_floor floor = {.at = 0xfffffff0u};
  int x;
  pml_slots *t = pml_slots_new(&floor), *beside = pml_slots_new(NULL);
  pml_id a = pml_slots_put(t, &x), b = pml_slots_put(t, &x);
  CHECK(a && b && a != b);
  pml_slots_free(t);
  t = pml_slots_new(&floor);
  pml_id c = pml_slots_put(t, &x);
  CHECK(c && c != a && c != b);
  CHECK(pml_slots_get(t, a) == NULL && pml_slots_get(t, b) == NULL);
  CHECK((c & 15) == 3); /* behind the two places of before */
  CHECK(pml_slots_take(t, c) == &x);
  uint32_t at = 0;
  pml_id id, d = pml_slots_put(t, &x);
  CHECK(d != c && pml_slots_next(t, &at, &id) == &x && id == d);
  pml_slots_free(t);
  pml_slots_free(beside);
}

static void count_drained(void *obj, void *ud) { *(int *)ud += *(int *)obj; }

TEST(slot_hands_out_every_object_when_it_is_drained) {
  int v[] = {1, 10, 100}, sum = 0;
  pml_slots *t = pml_slots_new(NULL);
  pml_id id[3];
  for (int i = 0; i < 3; i++) id[i] = pml_slots_put(t, &v[i]);
  pml_slots_take(t, id[1]);
  pml_slots_drain(t, count_drained, &sum);
  CHECK_EQ(sum, 101);
  CHECK_EQ(pml_slots_count(t), 0);
  CHECK(!pml_slots_get(t, id[0]));
  pml_slots_free(t);
}
