#include "script/handle.h"

#include "script/call.h"
#include "test/test.h"

#include <lualib.h>

static const char kind, other_kind;

typedef struct {
  const void *kind;
  int freed;
} thing;

static int l_name(lua_State *L) {
  pml_lua_object(L, 1, sizeof(thing), &kind, "test.thing");
  lua_pushliteral(L, "a thing");
  return 1;
}

static int l_gc(lua_State *L) {
  thing *t = lua_touserdata(L, 1);
  t->freed++;
  return 0;
}

static const luaL_Reg methods[] = {{"name", l_name}, {NULL, NULL}};

static void push(lua_State *L, const void *of) {
  thing *t = lua_newuserdata(L, sizeof *t);
  *t = (thing){.kind = of};
  pml_lua_class(L, "test.thing", methods, l_gc);
  lua_setmetatable(L, -2);
}

TEST(handle_class_is_made_once_and_is_closed) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK_EQ(pml_lua_class(L, "test.thing", methods, l_gc), 1);
  CHECK_EQ(pml_lua_class(L, "test.thing", methods, l_gc), 0);
  CHECK(lua_rawequal(L, -1, -2));
  push(L, &kind);
  lua_setglobal(L, "thing");
  CHECK_EQ(luaL_dostring(L, "assert(thing:name() == 'a thing' and getmetatable(thing) == false "
                            "and not pcall(setmetatable, thing, {}))"),
           0);
  lua_close(L);
}

TEST(handle_objects_of_another_kind_are_refused) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  push(L, &kind);
  lua_setglobal(L, "thing");
  push(L, &other_kind);
  lua_setglobal(L, "other");
  CHECK_EQ(luaL_dostring(L, "name = thing.name "
                            "for _, v in ipairs {other, io.stdout, 'thing', {}, 1} do "
                            "  local ok, text = pcall(name, v) "
                            "  assert(not ok and text:find('test.thing expected', 1, true), text) "
                            "end"),
           0);
  lua_close(L);
}

static int l_text(lua_State *L) {
  lua_pushliteral(L, "the thing");
  return 1;
}

static void open_class(lua_State *L) {
  pml_lua_script_class(L, "test.script", "thing", methods, NULL, l_text);
}

TEST(handle_script_class_gives_its_methods_and_is_made_once) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  open_class(L);
  open_class(L);
  CHECK(lua_rawequal(L, -1, -2));
  CHECK_EQ(lua_gettop(L), 2);
  lua_getfield(L, -1, "name");
  CHECK(lua_tocfunction(L, -1) == l_name);
  thing *t = lua_newuserdata(L, sizeof *t);
  *t = (thing){.kind = &kind};
  luaL_getmetatable(L, "test.script");
  lua_setmetatable(L, -2);
  lua_setglobal(L, "thing");
  CHECK_EQ(luaL_dostring(L, "assert(thing:name() == 'a thing' and tostring(thing) == 'the thing')"
                            "assert(thing.nothing == nil and thing[1] == nil)"),
           0);
  lua_close(L);
}

TEST(handle_nearest_asks_the_function_that_was_given) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushliteral(L, "nmae");
  lua_newtable(L);
  pml_lua_nearest(L, 1, 2);
  CHECK(lua_isnil(L, 3)); /* there is none yet */
  pml_lua_call_open(L);
  CHECK_EQ(luaL_dostring(L, "return function(name, known) return name .. type(known) end"), 0);
  lua_setfield(L, LUA_REGISTRYINDEX, PML_LUA_NEAREST);
  pml_lua_nearest(L, 1, 2);
  CHECK_STR(lua_tostring(L, -1), "nmaetable");
  lua_close(L);
}
