#include "bind/l_system.h"

#include "base/mem.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* core.exe() -> the path of the running program | nil */
static int l_exe(lua_State *L) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return 0;
  lua_pushlstring(L, path, (size_t)n);
  return 1;
}

/* core.pid() -> this process's id */
static int l_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* core.stamp(path) -> text that changes when the file does | nil */
static int l_stamp(lua_State *L) {
  struct stat st;
  if (stat(luaL_checkstring(L, 1), &st) != 0) return 0;
  lua_pushfstring(L, "%f %d %f %f", (lua_Number)st.st_mtim.tv_sec, (int)st.st_mtim.tv_nsec,
                  (lua_Number)st.st_size, (lua_Number)st.st_ino);
  return 1;
}

/* core.pause(ms): blocks */
static int l_pause(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&t, NULL);
  return 0;
}

/* core.execute(command) -> exit status of a shell command; 128 + n when signal n ended it */
static int l_execute(lua_State *L) {
  int status = system(luaL_checkstring(L, 1));
  if (status == -1) return luaL_error(L, "cannot run a shell: %s", strerror(errno));
  lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  return 1;
}

/* core.exec{path, argument, …} -> nil, message: becomes that program; returns only when it cannot
 */
static int l_exec(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_objlen(L, 1);
  luaL_argcheck(L, n >= 1, 1, "a path and its arguments");
  const char **argv = lua_newuserdata(L, ((size_t)n + 1) * sizeof *argv);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    argv[i] = luaL_checkstring(L, -1); /* lives in the table */
    lua_pop(L, 1);
  }
  argv[n] = NULL;
  execv(argv[0], (char *const *)(uintptr_t)argv);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", argv[0], strerror(errno));
  return 2;
}

/* core.make_folder(path) -> whether it is there now; its parents are made, too */
static int l_make_folder(lua_State *L) {
  char *path = pml_strdup(luaL_checkstring(L, 1));
  struct stat st;
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = '\0';
    mkdir(path, 0777);
    *p = '/';
  }
  mkdir(path, 0777);
  int there = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  pml_free(path);
  lua_pushboolean(L, there);
  return 1;
}

static const luaL_Reg functions[] = {
  {"exe", l_exe},
  {"pid", l_pid},
  {"stamp", l_stamp},
  {"pause", l_pause},
  {"execute", l_execute},
  {"exec", l_exec},
  {"make_folder", l_make_folder},
  {NULL, NULL},
};

void pml_open_system(lua_State *L) { luaL_setfuncs(L, functions, 0); }
