#include "script/budget.h"
#include "bind/open.h"

#include "test/test.h"

#include <lauxlib.h>
#include <lualib.h>

TEST(limit_stops_a_script_and_ends_with_its_state) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushcfunction(L, luaopen_pomelua_core);
  CHECK_EQ(lua_pcall(L, 0, 1, 0), 0);
  lua_setglobal(L, "core");
  CHECK(!pml_budget_of(L));
  CHECK_EQ(luaL_dostring(L, "limit = core.limit(20, '@/nowhere/') limit:enter()"), 0);
  CHECK(pml_budget_of(L));
  CHECK(luaL_dostring(L, "while true do end") != 0);
  CHECK(strstr(lua_tostring(L, -1), "handler stopped: over its budget of 20 ms"));
  pml_budget_renew(pml_budget_of(L));
  CHECK_EQ(luaL_dostring(L, "limit:leave()"), 0);
  lua_close(L);
}
