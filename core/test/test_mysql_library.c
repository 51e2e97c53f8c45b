#include "store/mysql_library.h"

#include "base/err.h"
#include "test/test.h"

TEST(mysql_library_is_loaded) {
  pml__mysql lib;
  char err[256] = "";
  if (pml__mysql_load(&lib, err, sizeof err)) {
    CHECK(strstr(err, "libmariadb3")); /* the package is named where it is missing */
    return;
  }
  MYSQL *my = lib.mysql_init(NULL);
  CHECK(my);
  CHECK_EQ(lib.mysql_errno(my), 0);
  lib.mysql_close(my);
  CHECK_EQ(pml__mysql_load(&lib, err, sizeof err), 0);
}
