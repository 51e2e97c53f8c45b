#include "store/sqlite_error.h"

#include "base/err.h"
#include "test/test.h"

#include <sqlite3.h>

TEST(sqlite_error_has_the_state_that_postgresql_gives) {
  CHECK_STR(pml__sqlite_state(SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.x"), "23505");
  CHECK_STR(pml__sqlite_state(SQLITE_CONSTRAINT_PRIMARYKEY, ""), "23505");
  CHECK_STR(pml__sqlite_state(SQLITE_CONSTRAINT_FOREIGNKEY, ""), "23503");
  CHECK_STR(pml__sqlite_state(SQLITE_CONSTRAINT_TRIGGER, ""), "23000"); /* by its primary code */
  CHECK_STR(pml__sqlite_state(SQLITE_IOERR_WRITE, ""), "58030");
  CHECK_STR(pml__sqlite_state(SQLITE_FULL, ""), "53100");
  CHECK_STR(pml__sqlite_state(SQLITE_ERROR, "no such table: t"), "42P01");
  CHECK_STR(pml__sqlite_state(SQLITE_ERROR, "near \"x\": syntax error"), "42601");
  CHECK_STR(pml__sqlite_state(SQLITE_ERROR, "something else"), "42000");
  CHECK_STR(pml__sqlite_state(SQLITE_ERROR, NULL), "42000");
  CHECK_STR(pml__sqlite_state(SQLITE_PROTOCOL, "x"), "");
}

TEST(sqlite_error_tells_locks_and_interruptions_apart) {
  CHECK_EQ(pml__sqlite_rc(SQLITE_BUSY), PML_EFULL);
  CHECK_EQ(pml__sqlite_rc(SQLITE_BUSY_SNAPSHOT), PML_EFULL);
  CHECK_EQ(pml__sqlite_rc(SQLITE_INTERRUPT), PML_ETIMEOUT);
  CHECK_EQ(pml__sqlite_rc(SQLITE_CONSTRAINT_UNIQUE), PML_EIO);
}
