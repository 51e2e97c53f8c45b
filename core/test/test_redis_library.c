#include "store/redis_library.h"

#include "base/err.h"
#include "test/test.h"

TEST(redis_library_is_loaded_with_all_its_functions) {
  pml__redis_library lib;
  char err[256] = "";
  memset(&lib, 0, sizeof lib);
  int rc = pml__redis_load(&lib, err, sizeof err);
  if (rc) { /* a machine without it gets a sentence */
    CHECK_EQ(rc, PML_ENOENT);
    CHECK(strstr(err, "libhiredis"));
    return;
  }
#define THERE(name) CHECK(lib.name != NULL);
  PML__REDIS_FUNCTIONS(THERE)
#undef THERE
}
