#include "base/uidset.h"

#include "base/mem.h"
#include "test/test.h"

#include <time.h>

static pml_uid uid_of(char *text, int i) {
  int n = snprintf(text, 16, "u%d", i);
  return (pml_uid){text, (uint32_t)n, 0};
}

static pml_buf *list_of(int first, int count) {
  pml_writer w = {0};
  char text[16];
  for (int i = first; i < first + count; i++) pml_uids_put(&w, uid_of(text, i));
  return pml_writer_finish(&w);
}

static void has_its_own_and_no_other(int count) {
  char text[16];
  pml_buf *b = list_of(1, count);
  pml_uidset set = {.list = pml_buf_slice(b)};
  for (int i = 1; i <= count; i++) CHECK(pml_uidset_has(&set, uid_of(text, i)));
  CHECK(!pml_uidset_has(&set, uid_of(text, 0)));
  CHECK(!pml_uidset_has(&set, uid_of(text, count + 1)));
  CHECK(!pml_uidset_has(&set, (pml_uid){NULL, 0, 0}));
  pml_uidset_fini(&set);
  pml_buf_unref(b);
}

TEST(uidset_has_what_is_in_its_list) {
  has_its_own_and_no_other(1);
  has_its_own_and_no_other(20);
  has_its_own_and_no_other(21);
  has_its_own_and_no_other(5000);
}

TEST(uidset_of_an_empty_list_has_nothing) {
  char text[16];
  pml_uidset set = {.list = pml_slice_of(NULL, 0)};
  CHECK(!pml_uidset_has(&set, uid_of(text, 1)));
  pml_uidset_fini(&set);
}

/* 20,000 times 20,000 comparisons took about two seconds. */
TEST(uidset_is_asked_in_no_time) {
  char text[16];
  pml_buf *b = list_of(0, 20000);
  pml_uidset set = {.list = pml_buf_slice(b)};
  clock_t start = clock();
  for (int i = 0; i < 20000; i++) CHECK(!pml_uidset_has(&set, uid_of(text, 20000 + i)));
  CHECK(clock() - start < CLOCKS_PER_SEC / 4);
  pml_uidset_fini(&set);
  pml_buf_unref(b);
}
