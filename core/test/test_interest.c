#include "model/interest.h"

#include "test/test.h"

static void note(pml_place *p, void *ud) {
  char *text = ud;
  size_t n = strlen(text);
  snprintf(text + n, 64 - n, "%s ", p->id);
}

static void expect(const pml_interest *t, const char *name, const char *ids) {
  char got[64] = "";
  pml_interest_each(t, pml_slice_str(name), note, got);
  CHECK(strcmp(got, ids) == 0);
}

TEST(interest_finds_the_frontends_of_a_channel) {
  pml_interest *t = pml_interest_new();
  pml_place *a = pml_interest_add(t, "a", 1), *b = pml_interest_add(t, "b", 2);
  pml_interest_know(t, a, 1);
  pml_interest_know(t, b, 1);
  expect(t, "hall", "");
  pml_interest_set(t, a, pml_slice_str("hall"), 1);
  pml_interest_set(t, a, pml_slice_str("hall"), 1);
  pml_interest_set(t, b, pml_slice_str("yard"), 1);
  expect(t, "hall", "a ");
  pml_interest_set(t, b, pml_slice_str("hall"), 1);
  expect(t, "hall", "a b ");
  CHECK_EQ(pml_interest_count(t), 2);
  pml_interest_set(t, a, pml_slice_str("hall"), 0);
  pml_interest_set(t, a, pml_slice_str("nowhere"), 0);
  expect(t, "hall", "b ");
  pml_interest_clear(t, b);
  expect(t, "hall", "");
  CHECK_EQ(pml_interest_count(t), 0);
  CHECK(pml_interest_find(t, "a") == a && !pml_interest_find(t, "c"));
  pml_interest_free(t);
  pml_interest_free(NULL);
}

TEST(interest_of_a_frontend_that_is_not_known_is_everything_once) {
  pml_interest *t = pml_interest_new();
  pml_place *a = pml_interest_add(t, "a", 1), *b = pml_interest_add(t, "b", 2);
  pml_interest_know(t, b, 1);
  expect(t, "hall", "a ");
  pml_interest_set(t, a, pml_slice_str("hall"), 1);
  pml_interest_set(t, b, pml_slice_str("hall"), 1);
  expect(t, "hall", "a b ");
  expect(t, "yard", "a ");
  pml_interest_know(t, a, 1);
  pml_interest_know(t, a, 1);
  expect(t, "yard", "");
  pml_interest_know(t, a, 0);
  pml_interest_remove(t, a);
  expect(t, "yard", "");
  expect(t, "hall", "b ");
  CHECK(pml_interest_first(t) == b && !b->next);
  pml_interest_free(t);
}
