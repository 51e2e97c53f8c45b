#include "base/mem.h"
#include "bind/open.h"
#include "script/call.h"
#include "script/vm.h"
#include "test/test.h"

#include <lauxlib.h>
#include <limits.h>
#include <unistd.h>

static lua_State *open_state(const char *path) {
  lua_State *L = pml_vm_new(path, luaopen_pomelua_core);
  CHECK(L != NULL);
  pml_lua_call_open(L);
  return L;
}

static int runs(lua_State *L, const char *code) {
  char *err = NULL;
  CHECK_EQ(luaL_loadstring(L, code), 0);
  int rc = pml_lua_try(L, 0, 0, &err);
  if (err) fprintf(stderr, "%s\n", err);
  pml_free(err);
  return rc == 0;
}

TEST(vm_state_has_the_libraries_and_the_core) {
  lua_State *L = open_state("./nowhere/?.lua");
  CHECK(runs(L, "assert(package.path == './nowhere/?.lua')"));
  CHECK(runs(L, "assert(type(require('pomelua.core').version) == 'string')"));
  CHECK(runs(L, "assert(jit and string and table and io and os and debug and coroutine)"));
  CHECK_EQ(lua_gettop(L), 0);
  lua_close(L);
}

TEST(vm_states_share_nothing) {
  lua_State *a = open_state(NULL), *b = open_state(NULL);
  CHECK(runs(a, "x = 1; string.x = 1; require('pomelua.core').x = 1"));
  CHECK(runs(b, "assert(not x and not string.x and not require('pomelua.core').x)"));
  lua_close(a);
  lua_close(b);
}

/* Makes dir/<name> and all above it below dir. */
static void folder(const char *dir, const char *name) {
  char cmd[PATH_MAX];
  snprintf(cmd, sizeof cmd, "mkdir -p %s/%s", dir, name);
  CHECK_EQ(system(cmd), 0);
}

TEST(vm_path_is_found_beside_the_program) {
  char dir[] = "/tmp/pomelua-vm-XXXXXX", exe[PATH_MAX], cmd[PATH_MAX], want[PATH_MAX];
  CHECK(mkdtemp(dir) != NULL);
  folder(dir, "bin");
  snprintf(exe, sizeof exe, "%s/bin/pomelua", dir);
  CHECK(pml_vm_path(exe) == NULL);

  snprintf(cmd, sizeof cmd, "touch %s/share/pomelua/lua/pomelua/init.lua", dir);
  folder(dir, "share/pomelua/lua/pomelua");
  CHECK_EQ(system(cmd), 0);
  char *path = pml_vm_path(exe);
  snprintf(want, sizeof want, "%s/bin/../share/pomelua/lua/?.lua;", dir);
  CHECK(path && strncmp(path, want, strlen(want)) == 0);
  pml_free(path);

  snprintf(cmd, sizeof cmd, "touch %s/lua/pomelua/init.lua", dir);
  folder(dir, "lua/pomelua");
  CHECK_EQ(system(cmd), 0);
  path = pml_vm_path(exe);
  snprintf(want, sizeof want, "%s/bin/../lua/?.lua;", dir);
  CHECK(path && strncmp(path, want, strlen(want)) == 0);
  pml_free(path);

  snprintf(cmd, sizeof cmd, "rm -r %s", dir);
  CHECK_EQ(system(cmd), 0);
}
