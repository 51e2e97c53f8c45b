#include "bus/claimed.h"

#include "test/test.h"

static int on_id(const char *id, void *ud) {
  strcat(ud, id);
  return strcmp(id, "b") == 0 ? 7 : 0;
}

TEST(claimed_ids_are_kept_with_their_last_life) {
  pml__claimed c = {0};
  char all[16] = "";
  CHECK_EQ(pml__claimed_life(&c, "a"), 0);
  CHECK_EQ(pml__claimed_put(&c, "a", 1), 1);
  CHECK_EQ(pml__claimed_put(&c, "a", 2), 0);
  CHECK_EQ(pml__claimed_life(&c, "a"), 2);
  CHECK_EQ(pml__claimed_each(&c, on_id, all), 0);
  CHECK_EQ(pml__claimed_put(&c, "b", 1), 1);
  CHECK_EQ(pml__claimed_put(&c, "c", 1), 1);
  CHECK_EQ(pml__claimed_each(&c, on_id, all), 7);
  CHECK_STR(all, "aab");
  pml__claimed_fini(&c);
}
