#include "bind/l_replace.h"

#include "base/err.h"
#include "base/replace.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

#include <unistd.h>

#define TNAME "pomelua.folderLock"

/* core.replace_file(path, text) -> true | nil, message, "IO": base/replace */
static int l_replace_file(lua_State *L) {
  char why[PML_REPLACE_WHY];
  size_t n;
  const char *path = pml_lua_ctext(L, 1, "path"), *text = luaL_checklstring(L, 2, &n);
  int rc = pml_replace_file(path, pml_slice_of(text, n), why);
  if (rc) return pml_lua_fail(L, rc, why);
  lua_pushboolean(L, 1);
  return 1;
}

/* lock:free(), also its __gc: gives the lock back; a second call does nothing */
static int l_free(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, TNAME);
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return 0;
}

/* core.lock_folder(path, ms) -> lock | nil, message, "FULL" (another process has it) or "IO". The
 * thread waits for it, so many milliseconds at most. */
static int l_lock_folder(lua_State *L) {
  static const luaL_Reg methods[] = {{"free", l_free}, {NULL, NULL}};
  char why[PML_REPLACE_WHY];
  const char *path = pml_lua_ctext(L, 1, "path");
  lua_Integer ms = luaL_checkinteger(L, 2);
  luaL_argcheck(L, ms >= 0, 2, "milliseconds");
  int *fd = lua_newuserdata(L, sizeof *fd);
  *fd = -1;
  pml_lua_class(L, TNAME, methods, l_free);
  lua_setmetatable(L, -2);
  *fd = pml_replace_lock(path, (uint32_t)ms, why);
  return *fd < 0 ? pml_lua_fail(L, *fd, why) : 1;
}

void pml_open_replace(lua_State *L) {
  lua_pushcfunction(L, l_replace_file);
  lua_setfield(L, -2, "replace_file");
  lua_pushcfunction(L, l_lock_folder);
  lua_setfield(L, -2, "lock_folder");
}
