/* store_values: answers of stores as values of Lua, and values as parameters. */
#include "bind/store_values.h"

#include "base/err.h"
#include "test/test.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_State *up(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  return L;
}

/* Runs `text` with the values that are on the stack as `...`; its first result is true. */
static void holds(lua_State *L, const char *text) {
  int n = lua_gettop(L);
  CHECK_EQ(luaL_loadstring(L, text), 0);
  lua_insert(L, 1);
  if (lua_pcall(L, n, 1, 0) != 0 || !lua_toboolean(L, -1)) {
    fprintf(stderr, "%s: %s\n", text, lua_isstring(L, -1) ? lua_tostring(L, -1) : "is not so");
    exit(1);
  }
  lua_settop(L, 0);
}

static void name(pml_data *l, const char *s) { pml_data_text(l, PML_DATUM_TEXT, pml_slice_str(s)); }

TEST(store_values_rows_are_plain_tables) {
  lua_State *L = up();
  pml_store_call c = {.op = PML_STORE_QUERY, .columns = 2, .rows = 2};
  name(&c.values, "id");
  name(&c.values, "name");
  pml_data_int(&c.values, 1);
  name(&c.values, "ann");
  pml_data_int(&c.values, -2);
  pml_data_null(&c.values);
  pml_lua_store_check(&c);
  CHECK_EQ(c.rc, 0);
  CHECK_EQ(pml_lua_store_push(L, &c), 2);
  holds(L, "local none, rows = ... return none == nil and #rows == 2 and rows[1].id == 1 and "
           "rows[1].name == 'ann' and rows[2].id == -2 and next(rows[2], 'id') == nil and "
           "rows[2].name == nil");
  pml_store_call_drop(&c);
  lua_close(L);
}

TEST(store_values_arrays_hold_null_and_errors) {
  lua_State *L = up();
  pml_store_call c = {.op = PML_STORE_COMMAND};
  pml_data_array(&c.values, 4);
  pml_data_null(&c.values);
  pml_data_array(&c.values, 1);
  pml_data_bool(&c.values, 1);
  pml_data_text(&c.values, PML_DATUM_ERROR, pml_slice_str("ERR no"));
  pml_data_real(&c.values, 0.5);
  pml_lua_store_check(&c);
  CHECK_EQ(pml_lua_store_push(L, &c), 2);
  holds(L, "local none, a = ... return none == nil and #a == 4 and type(a[1]) == 'userdata' and "
           "a[2][1] == true and a[3].error == 'ERR no' and a[4] == 0.5");
  pml_store_call_drop(&c);
  /* An array that says that it is longer than it is. */
  c = (pml_store_call){.op = PML_STORE_COMMAND};
  pml_data_array(&c.values, 4000000000u);
  pml_data_int(&c.values, 7);
  pml_lua_store_check(&c);
  CHECK_EQ(pml_lua_store_push(L, &c), 2);
  holds(L, "local _, a = ... return #a == 1 and a[1] == 7");
  pml_store_call_drop(&c);
  lua_close(L);
}

TEST(store_values_what_lua_cannot_hold_is_an_error) {
  lua_State *L = up();
  pml_store_call c = {.op = PML_STORE_QUERY, .columns = 1, .rows = 1};
  name(&c.values, "id");
  pml_data_int(&c.values, 9007199254740993);
  pml_lua_store_check(&c);
  CHECK_EQ(pml_lua_store_push(L, &c), 3);
  holds(L, "local code, text = ... return code == 'RANGE' and text == 'column id: "
           "9007199254740993 does not fit a number; select cast(id as text)'");
  pml_store_call_drop(&c);
  c = (pml_store_call){.op = PML_STORE_QUERY, .columns = 1, .rows = 1};
  name(&c.values, "id");
  pml_data_int(&c.values, -9007199254740992);
  pml_lua_store_check(&c);
  CHECK_EQ(c.rc, 0);
  pml_store_call_drop(&c);
  c = (pml_store_call){.op = PML_STORE_COMMAND};
  for (int i = 0; i < 100000; i++) pml_data_array(&c.values, 1);
  pml_lua_store_check(&c);
  CHECK(c.rc != 0);
  CHECK_EQ(pml_lua_store_push(L, &c), 3);
  holds(L, "local code, text = ... return code == 'RANGE' and text:find('deeper')");
  pml_store_call_drop(&c);
  lua_close(L);
}

TEST(store_values_failures_have_a_code) {
  static const struct {
    int rc;
    const char *code;
  } codes[] = {
    {PML_ETIMEOUT, "TIMEOUT"}, {PML_EFULL, "BUSY"},     {PML_ECLOSED, "CLOSED"}, {PML_EIO, "DB"},
    {PML_ETOOBIG, "RANGE"},    {PML_EBOUND, "PRIVATE"}, {PML_EINVAL, "DB"},
  };
  lua_State *L = up();
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    pml_store_call c = {.rc = codes[i].rc, .state = "23505"};
    pml_lua_store_check(&c);
    CHECK_EQ(pml_lua_store_push(L, &c), 3);
    CHECK_STR(lua_tostring(L, 1), codes[i].code);
    CHECK(lua_isstring(L, 2));
    CHECK_STR(lua_tostring(L, 3), "23505");
    lua_settop(L, 0);
  }
  lua_close(L);
}

TEST(store_values_parameters_have_a_kind) {
  lua_State *L = up();
  pml_data out = {0};
  char err[256];
  lua_pushcfunction(L, pml_lua_store_blob);
  lua_setglobal(L, "blob");
  CHECK_EQ(luaL_dostring(L, "return 1, 2^53, 0.5, 2^60, 'a\\0b', true, nil, blob('\\0')"), 0);
  CHECK_EQ(pml_lua_store_values(L, 1, 8, &out, err, sizeof err), 0);
  static const pml_datum_kind kinds[] = {PML_DATUM_INT,  PML_DATUM_INT,  PML_DATUM_REAL,
                                         PML_DATUM_REAL, PML_DATUM_TEXT, PML_DATUM_BOOL,
                                         PML_DATUM_NULL, PML_DATUM_BYTES};
  for (int i = 0; i < 8; i++) CHECK_EQ(out.v[i].kind, kinds[i]);
  CHECK_EQ(out.v[4].n, 3);
  pml_data_drop(&out);
  static const char *const wrong[] = {"return {}", "return print", "return 0/0", "return io.stdout",
                                      "return setmetatable({'x'}, {})"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    lua_settop(L, 0);
    CHECK_EQ(luaL_dostring(L, wrong[i]), 0);
    CHECK_EQ(pml_lua_store_values(L, 1, 1, &out, err, sizeof err), -1);
    CHECK(strncmp(err, "value 1 must be ", 16) == 0);
    CHECK_EQ(out.n, 0);
  }
  lua_settop(L, 0);
  CHECK_EQ(luaL_dostring(L, "return { n = 3, 'a', nil, 5 }"), 0);
  CHECK_EQ(pml_lua_store_params(L, 1, &out, err, sizeof err), 0);
  CHECK_EQ(out.n, 3);
  CHECK_EQ(out.v[1].kind, PML_DATUM_NULL);
  pml_data_drop(&out);
  lua_close(L);
}
