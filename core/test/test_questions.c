#include "host/questions.h"

#include "test/test.h"

typedef struct {
  pml__questions all;
  int ended, server;
  pml_id last;
} world;

static void ended(pml_id id, void *ud) {
  world *w = ud;
  w->ended++;
  w->last = id;
  if (w->ended == 1) pml__questions_add(&w->all, 9, &w->server); /* asked anew in here */
}

TEST(questions_are_answered_once_by_the_server_that_was_asked) {
  world w = {0};
  int other;
  pml__questions_init(&w.all);
  pml__questions_add(&w.all, 1, &w.server);
  CHECK_EQ(pml__questions_answered(&w.all, 1, &other), 0);
  CHECK_EQ(pml__questions_answered(&w.all, 2, &w.server), 0);
  CHECK_EQ(pml__questions_answered(&w.all, 1, &w.server), 1);
  CHECK_EQ(pml__questions_answered(&w.all, 1, &w.server), 0);
}

TEST(questions_of_a_server_that_has_ended_end_once) {
  world w = {0};
  int other;
  pml__questions_init(&w.all);
  pml__questions_add(&w.all, 1, &other);
  pml__questions_add(&w.all, 2, &w.server);
  pml__questions_end(&w.all, &w.server, ended, &w);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.last, 2);
  CHECK_EQ(pml__questions_answered(&w.all, 1, &other), 1);
  CHECK_EQ(pml__questions_answered(&w.all, 9, &w.server), 1); /* the new one stays */
  pml__questions_add(&w.all, 3, &other);
  pml__questions_clear(&w.all);
}
