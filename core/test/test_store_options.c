#include "bind/store_options.h"

#include "test/test.h"

#include <lauxlib.h>
#include <stdlib.h>

static int read_number(lua_State *L) {
  lua_pushnumber(L, pml_lua_store_number(L, 1, "n", 1, 86400000, 7));
  return 1;
}

/* The number of the option n, whose text in Lua that is; -1: it was refused. */
static double number_of(lua_State *L, const char *n) {
  lua_settop(L, 0);
  lua_pushcfunction(L, read_number);
  lua_pushfstring(L, "return { n = %s }", n);
  CHECK_EQ(luaL_loadstring(L, lua_tostring(L, -1)), 0);
  lua_remove(L, -2);
  CHECK_EQ(lua_pcall(L, 0, 1, 0), 0);
  if (lua_pcall(L, 1, 1, 0) == 0) return lua_tonumber(L, -1);
  CHECK_STR(lua_tostring(L, -1), "n must be a number from 1 to 86400000");
  return -1;
}

TEST(store_options_are_numbers_in_a_range) {
  lua_State *L = luaL_newstate();
  CHECK(number_of(L, "nil") == 7);
  CHECK(number_of(L, "86400000") == 86400000);
  CHECK(number_of(L, "'12'") == 12);
  static const char *const wrong[] = {"0",   "-1",   "86400001", "1e300", "-1e300",
                                      "0/0", "true", "{}",       "'a'"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(number_of(L, wrong[i]) == -1);
  lua_close(L);
}

static int read_text(lua_State *L) {
  const char *a = pml_lua_store_text(L, 1, "a");
  CHECK(pml_lua_store_text(L, 1, "b") == NULL);
  CHECK_STR(a, "text"); /* it stays */
  pml_lua_store_text(L, 1, "zero");
  return 0;
}

TEST(store_options_are_texts_without_a_nul) {
  lua_State *L = luaL_newstate();
  lua_pushcfunction(L, read_text);
  lua_newtable(L);
  lua_pushliteral(L, "text");
  lua_setfield(L, -2, "a");
  lua_pushlstring(L, "t\0x", 3);
  lua_setfield(L, -2, "zero");
  CHECK(lua_pcall(L, 1, 0, 0) != 0);
  CHECK(strstr(lua_tostring(L, -1), "zero holds a NUL"));
  lua_close(L);
}
