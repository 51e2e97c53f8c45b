#include "script/script_call.h"

#include "script/call.h"
#include "test/virtual.h"

TEST(script_call_runs_in_the_budget_and_looks_at_the_memory) {
  virtual_node v;
  virtual_open(&v, "f1", "connector", 1);
  lua_State *L = luaL_newstate();
  pml_lua_call_open(L);
  pml_budget *b = pml_budget_new(PML_BUDGET_GRACE_MS);
  pml_lua lua = {.L = L, .node = v.node};
  lua.budget = pml_budget_join(b, L, 50, pml_node_log(v.node));
  pml_memory_begin(&lua.memory, L, v.node, lua.budget);
  CHECK_EQ(luaL_loadstring(L, "return ..."), 0);
  lua_pushliteral(L, "given");
  CHECK_EQ(pml_script_call(&lua, "echo", pml_slice_of(NULL, 0), 1, 1), 0);
  CHECK_STR(lua_tostring(L, 1), "given");
  lua_settop(L, 0);
  CHECK_EQ(lua.memory.calls, 1);
  CHECK_EQ(luaL_loadstring(L, "while true do end"), 0);
  CHECK(pml_script_call(&lua, "endless", pml_slice_str("a.b"), 0, 1) != 0);
  CHECK_EQ(lua_gettop(L), 0);
  CHECK(strstr(v.log, "endless"));
  CHECK(strstr(v.log, "over its budget of 50 ms"));
  CHECK_EQ(lua.memory.calls, 2);
  pml_memory_end(&lua.memory);
  pml_budget_quit(lua.budget);
  pml_budget_free(b);
  lua_close(L);
  virtual_close(&v);
}
