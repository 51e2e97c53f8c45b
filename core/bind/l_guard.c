#include "bind/l_guard.h"

#include <lauxlib.h>
#include <pthread.h>
#include <stdint.h>

/* Of a thread's stack; the rest is for functions without a guard, which need so little
 * that Lua's own stack is full before. */
#define KEEP 4

/* The lowest address that a guarded function may begin at. */
static uintptr_t lowest(void) {
  pthread_attr_t attr;
  void *low = NULL;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return 0;
  pthread_attr_getstack(&attr, &low, &size);
  pthread_attr_destroy(&attr);
  return (uintptr_t)low + size / KEEP;
}

/* room(): raises when the C stack is nearly full; a light userdata is what was found out once */
static int l_room(lua_State *L) {
  char here;
  if ((uintptr_t)&here > (uintptr_t)lua_touserdata(L, lua_upvalueindex(1))) return 0;
  luaL_where(L, 2);
  lua_pushliteral(L, "C stack overflow: it calls itself too deep");
  lua_concat(L, 2);
  return lua_error(L);
}

void pml_open_guard(lua_State *L) {
  lua_pushlightuserdata(L, (void *)lowest());
  lua_pushcclosure(L, l_room, 1);
  lua_setfield(L, -2, "room");
}
