/* l_sqlite_backup: core.sqliteBackup, the copy of a file of SQLite. */
#include "bind/l_store.h"

#include "base/err.h"
#include "script/ctext.h"
#include "script/values.h"
#include "store/sqlite_backup.h"

int pml_lua_sqlite_backup(lua_State *L) {
  char err[512];
  const char *from = pml_lua_ctext(L, 1, "from"), *to = pml_lua_ctext(L, 2, "to");
  if (pml_sqlite_backup(from, to, err, sizeof err) != 0) return pml_lua_fail(L, PML_EIO, err);
  lua_pushboolean(L, 1);
  return 1;
}
