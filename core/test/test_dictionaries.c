#include "host/dictionaries.h"

#include "base/mem.h"
#include "test/test.h"

#include <pthread.h>
#include <unistd.h>

static pml_dictionary *one(const char *route) {
  pml_dictionary_pair pair = {pml_slice_str(route), 1};
  pml_dictionary *d = NULL;
  CHECK_EQ(pml_dictionary_new(&pair, 1, &d), 0);
  return d;
}

TEST(dictionaries_are_built_once_by_key) {
  pml_dictionaries *all = pml_dictionaries_new();
  pml_dictionary *d = one("a"), *got = NULL;
  char *err = NULL;
  CHECK_EQ(pml_dictionaries_take(all, "", &got, &err), -1);
  pml_dictionaries_built(all, "", d, NULL);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(pml_dictionaries_take(all, "", &got, &err), 1);
    CHECK(got == d);
    pml_dictionary_unref(got);
  }
  CHECK_EQ(pml_dictionaries_take(all, "other.json", &got, &err), -1);
  pml_dictionaries_built(all, "other.json", NULL, "on purpose");
  /* What could not be built is built anew. */
  CHECK_EQ(pml_dictionaries_take(all, "other.json", &got, &err), -1);
  pml_dictionaries_built(all, "other.json", d, NULL);
  CHECK_EQ(pml_dictionaries_take(all, "other.json", &got, &err), 1);
  pml_dictionary_unref(got);
  pml_dictionary_unref(d);
  pml_dictionaries_free(all);
  pml_dictionaries_free(NULL);
}

typedef struct {
  pml_dictionaries *all;
  pml_dictionary *d; /* what the builder makes; NULL: it fails */
  pthread_mutex_t lock;
  int built, got, failed;
} world;

static void *ask(void *ud) {
  world *w = ud;
  pml_dictionary *got = NULL;
  char *err = NULL;
  int rc = pml_dictionaries_take(w->all, "k", &got, &err);
  if (rc < 0) {
    usleep(20000); /* so that the others wait for it; nothing fails when they come later */
    pml_dictionaries_built(w->all, "k", w->d, "on purpose");
  }
  pthread_mutex_lock(&w->lock);
  w->built += rc < 0;
  w->got += rc == 1 && got == w->d;
  w->failed += rc == 0 && strcmp(err, "on purpose") == 0;
  pthread_mutex_unlock(&w->lock);
  if (rc == 1) pml_dictionary_unref(got);
  pml_free(err);
  return NULL;
}

static void ask_all(world *w) {
  pthread_t threads[6];
  for (int i = 0; i < 6; i++) CHECK_EQ(pthread_create(&threads[i], NULL, ask, w), 0);
  for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
  CHECK_EQ(w->built + w->got + w->failed, 6);
}

TEST(dictionaries_of_threads_that_ask_at_once_are_one) {
  world w = {.all = pml_dictionaries_new(), .lock = PTHREAD_MUTEX_INITIALIZER, .d = one("a")};
  ask_all(&w);
  CHECK_EQ(w.built, 1);
  CHECK_EQ(w.got, 5);
  pml_dictionary_unref(w.d);
  pml_dictionaries_free(w.all);
}

TEST(dictionaries_tell_all_that_wait_why_there_is_none) {
  world w = {.all = pml_dictionaries_new(), .lock = PTHREAD_MUTEX_INITIALIZER};
  ask_all(&w);
  CHECK(w.built >= 1);
  CHECK_EQ(w.got, 0);
  w.d = one("a");
  w.built = w.failed = 0;
  ask_all(&w);
  CHECK_EQ(w.built, 1);
  CHECK_EQ(w.got, 5);
  pml_dictionary_unref(w.d);
  pml_dictionaries_free(w.all);
}
