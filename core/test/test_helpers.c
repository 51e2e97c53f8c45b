#include "loop/helpers.h"

#include "base/clock.h"
#include "test/test.h"

#include <pthread.h>
#include <semaphore.h>

typedef struct {
  pml_helpers *h;
  sem_t go, gone;
} world;

static void *run(void *ud) {
  world *w = ud;
  CHECK_EQ(sem_wait(&w->go), 0);
  pml_helpers_end(w->h);
  sem_post(&w->gone);
  return NULL;
}

static pthread_t start(world *w) {
  pthread_t t;
  sem_init(&w->go, 0, 0);
  sem_init(&w->gone, 0, 0);
  w->h = pml_helpers_new();
  CHECK(pml_helpers_begin(w->h) == w->h);
  CHECK_EQ(pthread_create(&t, NULL, run, w), 0);
  return t;
}

TEST(helpers_are_waited_for) {
  world w;
  pthread_t t = start(&w);
  sem_post(&w.go);
  pml_helpers_leave(w.h, 60000); /* the runner's alarm is sooner */
  pthread_join(t, NULL);
}

TEST(helpers_that_go_on_are_left) {
  world w;
  pthread_t t = start(&w);
  uint64_t begun = pml_clock_us();
  pml_helpers_leave(w.h, 50);
  CHECK(pml_clock_us() - begun >= 49000);
  sem_post(&w.go); /* it frees what they shared */
  pthread_join(t, NULL);
  CHECK_EQ(sem_wait(&w.gone), 0);
}

TEST(helpers_may_be_none) {
  pml_helpers_leave(NULL, 1000);
  pml_helpers_leave(pml_helpers_new(), 60000);
}
