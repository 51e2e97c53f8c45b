#include "script/anchor.h"

#include "test/test.h"

#include <lauxlib.h>
#include <stdlib.h>

TEST(anchor_holds_one_value_until_it_is_dropped) {
  lua_State *L = luaL_newstate();
  pml_anchor a = {0};
  pml_anchor_drop(L, &a);
  CHECK(!pml_anchor_holds(&a));
  pml_anchor_push(L, &a);
  CHECK(lua_isnil(L, -1));
  for (int i = 1; i <= 2; i++) {
    lua_pushinteger(L, i);
    pml_anchor_hold(L, &a);
    CHECK(pml_anchor_holds(&a));
    pml_anchor_push(L, &a);
    CHECK_EQ(lua_tointeger(L, -1), i);
  }
  pml_anchor_drop(L, &a);
  pml_anchor_push(L, &a);
  CHECK(lua_isnil(L, -1));
  CHECK_EQ(lua_gettop(L), 4);
  lua_close(L);
}

#define VALUES 64

typedef struct {
  lua_Alloc real;
  void *ud;
  unsigned calls, fails; /* the call of that number fails; 0: none */
  pml_anchor held[VALUES];
} world;

static void *failing(void *ud, void *p, size_t before, size_t n) {
  world *w = ud;
  if (n > before && w->fails && ++w->calls == w->fails) return NULL;
  return w->real(w->ud, p, before, n);
}

static int hold_all(lua_State *L) {
  world *w = lua_touserdata(L, 1);
  for (int i = 0; i < VALUES; i++) {
    if (pml_anchor_holds(&w->held[i])) continue;
    lua_pushinteger(L, i);
    pml_anchor_hold(L, &w->held[i]);
  }
  return 0;
}

TEST(anchor_loses_nothing_when_memory_fails) {
  /* Each allocation of the growing registry fails once, in a state of its own. */
  for (unsigned fails = 1; fails < 12; fails++) {
    world w = {0};
    lua_State *L = luaL_newstate();
    w.real = lua_getallocf(L, &w.ud);
    lua_setallocf(L, failing, &w);
    for (int i = 1; i <= 20; i++) { /* other libraries keep values under numbers */
      lua_pushinteger(L, i);
      luaL_ref(L, LUA_REGISTRYINDEX);
    }
    w.fails = fails;
    while (lua_cpcall(L, hold_all, &w)) lua_pop(L, 1);
    for (int i = 0; i < VALUES; i++) {
      pml_anchor_push(L, &w.held[i]);
      CHECK_EQ(lua_tointeger(L, -1), i);
      lua_pop(L, 1);
      pml_anchor_drop(L, &w.held[i]);
    }
    lua_setallocf(L, w.real, w.ud);
    lua_close(L);
  }
}
