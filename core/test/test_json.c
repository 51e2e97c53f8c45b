#include "script/json.h"

#include "base/err.h"
#include "script/call.h"
#include "bind/l_json.h"
#include "test/test.h"

#include <lauxlib.h>
#include <lualib.h>

/* A state whose globals array and null are those of the core. */
static lua_State *state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  pml_lua_call_open(L);
  lua_newtable(L);
  pml_open_json(L);
  lua_getfield(L, -1, "array_mt");
  lua_setglobal(L, "array_mt");
  lua_getfield(L, -1, "empty_array_mt");
  lua_setglobal(L, "empty_array_mt");
  lua_getfield(L, -1, "null");
  lua_setglobal(L, "null");
  lua_settop(L, 0);
  return L;
}

static void push(lua_State *L, const char *expression) {
  lua_pushliteral(L, "return ");
  lua_pushstring(L, expression);
  lua_concat(L, 2);
  int bad = luaL_loadstring(L, lua_tostring(L, -1));
  CHECK(!bad);
  lua_remove(L, -2);
  lua_call(L, 0, 1);
}

#define WRITES(expression, want) \
  do { \
    push(L, expression); \
    CHECK_EQ(pml_json_write(L, -1, &w, "msg", err, sizeof err), 0); \
    CHECK(pml_slice_eq(pml_slice_of(pml_writer_at(&w, 0), w.len), pml_slice_str(want))); \
    CHECK_EQ(lua_gettop(L), 1); \
    lua_settop(L, 0); \
    pml_writer_drop(&w); \
  } while (0)

#define REFUSES(expression, want) \
  do { \
    push(L, expression); \
    pml_writer_put(&w, "kept", 4); \
    CHECK_EQ(pml_json_write(L, 1, &w, "msg", err, sizeof err), PML_EINVAL); \
    CHECK(strcmp(err, want) == 0); \
    CHECK_EQ(w.len, 4); \
    CHECK_EQ(lua_gettop(L), 1); \
    lua_settop(L, 0); \
    pml_writer_drop(&w); \
  } while (0)

TEST(json_writes_values) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[128];
  WRITES("nil", "null");
  WRITES("{true, false, null, 'a'}", "[true,false,null,\"a\"]");
  WRITES("{2^53, -2^53, 123456789012345, -0.0, 0.1, -12.25, 1e20}",
         "[9007199254740992,-9007199254740992,123456789012345,0,0.1,-12.25,1e+20]");
  WRITES("{[2] = 'b', [1] = 'a'}", "[\"a\",\"b\"]");
  WRITES("{[123456789012345] = 1}", "{\"123456789012345\":1}");
  WRITES("{}", "{}");
  WRITES("setmetatable({}, array_mt)", "[]");
  WRITES("{setmetatable({}, empty_array_mt), {}}", "[[],{}]");
  WRITES("setmetatable({a = 1}, empty_array_mt)", "{\"a\":1}");
  WRITES("{a = '\\255'}", "{\"a\":\"\xef\xbf\xbd\"}");
  WRITES("{'\\237\\160\\189\\237\\184\\128'}", "[\"\\ud83d\\ude00\"]");
  WRITES("setmetatable({[3] = 1}, array_mt)", "[null,null,1]");
  WRITES("'\\240\\159\\152\\128\\195\\188\\1\\n\"\\\\'",
         "\"\\ud83d\\ude00\xc3\xbc\\u0001\\n\\\"\\\\\"");
  lua_close(L);
}

TEST(json_refuses_and_leaves_stack_and_writer_as_they_were) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[128];
  REFUSES("{items = {1, 2, {owner = print}}}", "msg.items[3].owner: a function");
  REFUSES("{['odd key'] = 0/0}", "msg[\"odd key\"]: NaN");
  REFUSES("{[7] = 1, ['7'] = 2}", "msg[\"7\"]: the key is there as a number too");
  REFUSES("{[true] = 1}", "msg: a key that is a boolean");
  REFUSES("{a = {1, coroutine.create(print)}}", "msg.a[2]: a thread");
  lua_close(L);
}

TEST(json_message_keeps_its_reason_when_the_path_is_long) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[64];
  REFUSES("(function() local t = print for i = 1, 30 do t = {['key of level ' .. i] = t} end "
          "return t end)()",
          "msg[\"key of level 30\"][\"key of level 29\"][\"key of l: a function");
  lua_close(L);
}

TEST(json_calls_no_metamethod_and_ends_cycles) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[256];
  WRITES("setmetatable({a = 1}, {__index = error, __pairs = error, __len = error})", "{\"a\":1}");
  push(L, "(function() local t = {} t[1] = t return t end)()");
  CHECK_EQ(pml_json_write(L, 1, &w, "msg", err, sizeof err), PML_EINVAL);
  CHECK(strstr(err, ": deeper than 32"));
  pml_writer_drop(&w);
  lua_close(L);
}

TEST(json_shared_tables_do_not_fill_the_memory) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[512];
  push(L,
       "(function() local t = {('x'):rep(1000)} for i = 1, 30 do t = {t, t} end return t end)()");
  CHECK_EQ(pml_json_write(L, 1, &w, "msg", err, sizeof err), PML_EINVAL);
  CHECK(strstr(err, ": too large"));
  pml_writer_drop(&w);
  lua_close(L);
}

TEST(json_args_are_an_array_of_values) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[128];
  lua_pushinteger(L, 9); /* not an argument */
  lua_pushliteral(L, "a");
  lua_pushnil(L);
  lua_newtable(L);
  CHECK_EQ(pml_json_args(L, 2, 3, &w, err, sizeof err), 0);
  CHECK(pml_slice_eq(pml_slice_of(pml_writer_at(&w, 0), w.len), pml_slice_str("[\"a\",null,{}]")));
  pml_writer_drop(&w);
  CHECK_EQ(pml_json_args(L, 2, 0, &w, err, sizeof err), 0);
  CHECK_EQ(w.len, 2);
  pml_writer_drop(&w);
  lua_pushcfunction(L, lua_error);
  lua_setfield(L, 4, "fn");
  CHECK_EQ(pml_json_args(L, 2, 3, &w, err, sizeof err), PML_EINVAL);
  CHECK(strcmp(err, "argument 3.fn: a function") == 0);
  CHECK_EQ(lua_gettop(L), 4);
  pml_writer_drop(&w);
  lua_close(L);
}

TEST(json_writes_what_to_json_returns_and_takes_its_error) {
  lua_State *L = state();
  pml_writer w = {0};
  char err[128];
  WRITES("{1, {x = 2, toJSON = function(t, key) return {t.x, key} end}}", "[1,[2,2]]");
  WRITES("{a = setmetatable({f = print}, {__index = {toJSON = function() return 'A' end}})}",
         "{\"a\":\"A\"}");
  WRITES("(function() local t = {toJSON = function() return {} end} t[1] = {t, t} return t end)()",
         "{}");
  REFUSES("{a = {b = {toJSON = function() error('no', 0) end}}}", "msg.a.b: toJSON: no");
  REFUSES("{a = {toJSON = function() return print end}}", "msg.a: a function");
  lua_close(L);
}
