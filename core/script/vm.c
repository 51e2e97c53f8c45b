#include "script/vm.h"

#include "base/mem.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef PML_JEMALLOC
/* LuaJIT's own allocator is slower at the small blocks of a request, and keeps free memory. */
static void *allocate(void *ud, void *p, size_t old, size_t n) {
  (void)ud;
  if (n) return pml_try_realloc(p, n);
  pml_free_sized(p, old);
  return NULL;
}

static int on_panic(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  fprintf(stderr, "pomelua: an error outside of every call: %s\n", text ? text : "(no text)");
  return 0; /* which ends the process */
}

static lua_State *state_new(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  if (L) lua_atpanic(L, on_panic);
  return L;
}
#else
static lua_State *state_new(void) { return luaL_newstate(); }
#endif

lua_State *pml_vm_new(const char *path, lua_CFunction core) {
  lua_State *L = state_new();
  if (!L) return NULL;
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  if (path) {
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
  }
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, core);
  lua_setfield(L, -2, "pomelua.core");
  lua_pop(L, 2);
  return L;
}

static char *dir_of(const char *exe) {
  const char *slash = strrchr(exe, '/');
  return slash ? pml_strndup(exe, (size_t)(slash - exe)) : pml_strdup(".");
}

char *pml_vm_path(const char *exe) {
  static const char *const places[] = {"../lua", "../../lua", "../share/pomelua/lua",
                                       "../share/lua/5.1"};
  char *dir = dir_of(exe), *path = NULL;
  char file[4096];
  for (size_t i = 0; i < sizeof places / sizeof *places && !path; i++) {
    snprintf(file, sizeof file, "%s/%s/pomelua/init.lua", dir, places[i]);
    if (access(file, R_OK) != 0) continue;
    snprintf(file, sizeof file, "%s/%s/?.lua;%s/%s/?/init.lua", dir, places[i], dir, places[i]);
    path = pml_strdup(file);
  }
  pml_free(dir);
  return path;
}
