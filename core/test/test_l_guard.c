#include "bind/l_guard.h"

#include "test/test.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>

static const char code[] = "local room = ... local depth = 0\n"
                           "local function guarded(s, f) room() return string.gsub(s, '.', f) end\n"
                           "local function f() depth = depth + 1 guarded('a', f) end\n"
                           "local ok, message = pcall(f) return ok, message, depth";

static void *recurse(void *ud) {
  (void)ud;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK_EQ(luaL_loadbuffer(L, code, sizeof code - 1, "=script"), 0);
  lua_newtable(L);
  pml_open_guard(L);
  lua_getfield(L, -1, "room");
  lua_remove(L, -2);
  CHECK_EQ(lua_pcall(L, 1, 3, 0), 0);
  CHECK(!lua_toboolean(L, 1));
  CHECK(strstr(lua_tostring(L, 2), "script:3: C stack overflow"));
  CHECK(lua_tointeger(L, 3) > 100);
  lua_close(L);
  return NULL;
}

TEST(guard_raises_before_the_stack_of_a_thread_is_full) {
  pthread_t thread;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 4u << 20);
  CHECK_EQ(pthread_create(&thread, &attr, recurse, NULL), 0);
  pthread_join(thread, NULL);
}
