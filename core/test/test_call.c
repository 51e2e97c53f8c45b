#include "script/call.h"

#include "base/mem.h"
#include "test/test.h"

#include <lauxlib.h>
#include <lualib.h>

static char last[4096];

static void on_line(pml_level level, const char *text, void *ud) {
  (void)ud;
  CHECK_EQ(level, PML_ERROR);
  snprintf(last, sizeof last, "%s", text);
}

static lua_State *open_state(pml_log *log) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  pml_lua_call_open(L);
  pml_log_init(log, "x", PML_INFO, 0);
  log->on_line = on_line;
  last[0] = '\0';
  lua_pushliteral(L, "mine");
  return L;
}

/* Runs a chunk with three arguments. */
static int run(lua_State *L, const pml_log *log, const char *code, int nresults) {
  CHECK_EQ(luaL_loadstring(L, code), 0);
  for (int i = 1; i <= 3; i++) lua_pushinteger(L, i);
  return pml_lua_call(L, 3, nresults, log, "test");
}

static char *try(lua_State *L, const char *code) {
  char *err = NULL;
  CHECK_EQ(luaL_loadstring(L, code), 0);
  CHECK(pml_lua_try(L, 0, 2, &err) < 0);
  CHECK_EQ(lua_gettop(L), 1);
  return err;
}

TEST(call_leaves_its_results_and_nothing_else) {
  pml_log log;
  lua_State *L = open_state(&log);
  CHECK_EQ(run(L, &log, "return ...", 2), 0);
  CHECK_EQ(lua_gettop(L), 3);
  CHECK_EQ(lua_tointeger(L, 2), 1);
  CHECK_EQ(lua_tointeger(L, 3), 2);
  lua_settop(L, 1);
  CHECK_EQ(run(L, &log, "return 5", 3), 0);
  CHECK_EQ(lua_gettop(L), 4);
  CHECK(lua_isnil(L, 4));
  lua_settop(L, 1);
  CHECK_EQ(run(L, &log, "return 5", 0), 0);
  CHECK_EQ(lua_gettop(L), 1);
  CHECK_EQ(run(L, &log, "return 1, 2, 3, 4", LUA_MULTRET), 0);
  CHECK_EQ(lua_gettop(L), 5);
  CHECK_BYTES(last, strlen(last), "");
  lua_close(L);
}

TEST(call_leaves_the_stack_as_it_was_when_it_fails) {
  static const char *const ways[] = {
    "error 'text'",
    "error {code = 7}",
    "error()",
    "error(nil)",
    "error(42)",
    "error(setmetatable({}, {__tostring = function() return 'told' end}))",
    "error(setmetatable({}, {__tostring = function() error 'again' end}))",
    "error(setmetatable({}, {__tostring = function() return {} end}))",
    "coroutine.yield()", /* cannot cross C */
    "local function f() return f() + 1 end f()",
    "return nil + 1",
    "return ('x'):rep(-1)()",
  };
  pml_log log;
  lua_State *L = open_state(&log);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    for (int nresults = -1; nresults < 4; nresults++) {
      last[0] = '\0';
      CHECK(run(L, &log, ways[i], nresults) < 0);
      CHECK_EQ(lua_gettop(L), 1);
      CHECK(strncmp(last, "test: ", 6) == 0);
    }
  }
  CHECK_BYTES(lua_tostring(L, 1), lua_objlen(L, 1), "mine");
  lua_pushinteger(L, 7); /* not a function */
  CHECK(pml_lua_call(L, 0, 0, &log, "test") < 0);
  CHECK_EQ(lua_gettop(L), 1);
  lua_close(L);
}

TEST(call_logs_the_error_with_its_traceback) {
  pml_log log;
  lua_State *L = open_state(&log);
  run(L, &log, "local function deep() error('oops') end deep()", 0);
  CHECK(strstr(last, "oops\nstack traceback:") && strstr(last, "'deep'"));
  run(L, &log, "error({})", 0);
  CHECK(strstr(last, "(error object: table)\nstack traceback:"));
  run(L, &log, "error(42, 0)", 0);
  CHECK(strncmp(last, "test: 42\nstack traceback:", 24) == 0);
  run(L, &log, "error(setmetatable({}, {__tostring = function() return 'told' end}))", 0);
  CHECK(strncmp(last, "test: told\nstack", 16) == 0);
  lua_close(L);
}

TEST(call_try_gives_the_message_alone) {
  pml_log log;
  lua_State *L = open_state(&log);
  char *err = NULL;
  CHECK_EQ(luaL_loadstring(L, "return 1"), 0);
  CHECK_EQ(pml_lua_try(L, 0, 1, &err), 0);
  CHECK(err == NULL);
  lua_settop(L, 1);
  static const char *const cases[][2] = {
    {"error('oops', 0)", "oops"},
    {"error(42, 0)", "42"},
    {"error({})", "(error object: table)"},
    {"error()", "(error object: nil)"},
    {"error(setmetatable({}, {__tostring = function() return 'told' end}))", "told"},
    {"error(setmetatable({}, {__tostring = function() return {} end}))", "(error object: table)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    err = try(L, cases[i][0]);
    CHECK_BYTES(err, strlen(err), cases[i][1]);
    pml_free(err);
  }
  CHECK_BYTES(last, strlen(last), "");
  lua_close(L);
}

TEST(call_on_a_coroutine_leaves_its_stack_as_it_was) {
  pml_log log;
  lua_State *L = open_state(&log), *co = lua_newthread(L);
  lua_pushliteral(co, "its");
  CHECK_EQ(run(co, &log, "return ...", 3), 0);
  CHECK_EQ(lua_gettop(co), 4);
  lua_settop(co, 1);
  CHECK(run(co, &log, "error 'x'", 3) < 0);
  CHECK_EQ(lua_gettop(co), 1);
  CHECK_EQ(lua_gettop(L), 2);
  lua_close(L);
}
