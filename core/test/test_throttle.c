#include "base/throttle.h"
#include "test/test.h"

typedef struct {
  uint64_t now, due;
  int told;
} world;

static uint64_t now(void *ud) { return ((world *)ud)->now; }

static void held(uint64_t ms, void *ud) {
  world *w = ud;
  w->due = ms;
  w->told++;
}

static int ask(pml_throttle *t, const char *kind) {
  return pml_throttle_ask(t, kind, strlen(kind), 3, 1000, 2);
}

TEST(throttle_lets_so_many_of_a_kind_through_in_a_while) {
  world w = {.now = 5000};
  pml_throttle *t = pml_throttle_new(&(pml_throttle_hooks){now, held, &w});
  for (int i = 0; i < 10; i++) CHECK_EQ(ask(t, "a"), i < 3);
  CHECK_EQ(ask(t, "b"), 1);
  CHECK_EQ(pml_throttle_count(t), 7);
  w.now += 999;
  CHECK_EQ(ask(t, "a"), 0);
  w.now += 1;
  CHECK_EQ(ask(t, "a"), 1);
  pml_throttle_free(t);
  pml_throttle_free(NULL);
}

TEST(throttle_tells_what_was_left_out_once_the_while_has_passed) {
  world w = {.now = 5000};
  pml_throttled out;
  pml_throttle *t = pml_throttle_new(&(pml_throttle_hooks){now, held, &w});
  CHECK_EQ(pml_throttle_due(t), 0);
  for (int i = 0; i < 5; i++) ask(t, "a");
  w.now += 400;
  for (int i = 0; i < 4; i++) ask(t, "b");
  CHECK_EQ(w.told, 1); /* one call does for both */
  CHECK_EQ(w.due, 1000);
  CHECK_EQ(pml_throttle_due(t), 600);
  CHECK_EQ(pml_throttle_next(t, 0, &out), 0);
  w.now += 600;
  CHECK_EQ(pml_throttle_next(t, 0, &out), 1);
  CHECK(strcmp(out.name, "a") == 0);
  CHECK_EQ(out.held, 2);
  CHECK_EQ(out.level, 2);
  CHECK_EQ(pml_throttle_next(t, 0, &out), 0);
  CHECK_EQ(pml_throttle_due(t), 400);
  CHECK_EQ(pml_throttle_next(t, 1, &out), 1); /* all, also what is early */
  CHECK(strcmp(out.name, "b") == 0);
  CHECK_EQ(out.held, 1);
  CHECK_EQ(pml_throttle_due(t), 0);
  pml_throttle_free(t);
}

TEST(throttle_holds_however_many_kinds_there_are) {
  world w = {.now = 5000};
  char name[PML_THROTTLE_NAME + 100];
  pml_throttled out;
  int yes = 0;
  pml_throttle *t = pml_throttle_new(&(pml_throttle_hooks){now, NULL, &w});
  for (int i = 0; i < 10000; i++) {
    snprintf(name, sizeof name, "kind %d", i);
    yes += ask(t, name);
  }
  CHECK_EQ(yes, PML_THROTTLE_KINDS + 3);
  CHECK_EQ(pml_throttle_next(t, 1, &out), 1);
  CHECK(strcmp(out.name, "lines of other kinds") == 0);
  CHECK_EQ(out.held, 10000 - yes);
  for (int i = 0; i < 1000; i++) {
    snprintf(name, sizeof name, "kind %d", i);
    pml_throttle_ask(t, name, strlen(name), 1, 60000, 0);
  }
  w.now += 1000; /* the places of the first are free again, those of long whiles are not */
  CHECK_EQ(ask(t, "new"), 1);

  memset(name, 'x', sizeof name);
  while (pml_throttle_next(t, 1, &out)) continue;
  for (int i = 0; i < 4; i++) pml_throttle_ask(t, name, sizeof name - (size_t)i, 1, 1000, 0);
  CHECK_EQ(pml_throttle_next(t, 1, &out), 1);
  CHECK_EQ(strlen(out.name), PML_THROTTLE_NAME - 1); /* what is cut alike is one kind */
  CHECK_EQ(out.held, 3);
  pml_throttle_free(t);
}
