#include "script/values.h"

#include "base/limits.h"
#include "base/err.h"
#include "test/test.h"

#include <lauxlib.h>
#include <math.h>

/* The text of the uid that the value of an expression is; NULL: it is none. */
static const char *uid_text(lua_State *L, const char *expression, char out[64], int *is_number) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  lua_settop(L, 0);
  lua_pushfstring(L, "return %s", expression);
  CHECK_EQ(luaL_dostring(L, lua_tostring(L, 1)), 0);
  if (pml_lua_uid(L, -1, buf, &uid) != 0) return NULL;
  memcpy(out, uid.s, uid.n);
  out[uid.n] = '\0';
  *is_number = (int)uid.is_number;
  return out;
}

TEST(values_uids_keep_their_text_and_their_type) {
  lua_State *L = luaL_newstate();
  char text[64];
  int number;
  CHECK_STR(uid_text(L, "'7'", text, &number), "7");
  CHECK_EQ(number, 0);
  CHECK_STR(uid_text(L, "7", text, &number), "7");
  CHECK_EQ(number, 1);
  CHECK_STR(uid_text(L, "-0", text, &number), "0");
  CHECK_STR(uid_text(L, "2^53", text, &number), "9007199254740992");
  CHECK_STR(uid_text(L, "0.1", text, &number), "0.1");
  CHECK_STR(uid_text(L, "1e300", text, &number), "1e+300");
  CHECK(!uid_text(L, "0/0", text, &number));
  CHECK(!uid_text(L, "{}", text, &number));
  pml_lua_push_uid(L, (pml_uid){"1e+300", 6, 1});
  CHECK(lua_tonumber(L, -1) == 1e300);
  lua_close(L);
}

TEST(values_lists_of_uids_cross_both_ways) {
  lua_State *L = luaL_newstate();
  pml_writer w = {0};
  CHECK_EQ(luaL_dostring(L, "return {'a', 7}"), 0);
  CHECK_EQ(pml_lua_uids(L, 1, &w), 0);
  pml_lua_push_uids(L, pml_slice_of(pml_writer_at(&w, 0), w.len));
  CHECK_EQ(lua_objlen(L, -1), 2);
  lua_rawgeti(L, -1, 1);
  CHECK_STR(lua_tostring(L, -1), "a");
  lua_rawgeti(L, -2, 2);
  CHECK_EQ(lua_type(L, -1), LUA_TNUMBER);
  pml_writer_drop(&w);
  CHECK_EQ(luaL_dostring(L, "return {{}}"), 0);
  CHECK_EQ(pml_lua_uids(L, lua_gettop(L), &w), PML_EINVAL);
  pml_writer_drop(&w);
  lua_close(L);
}

TEST(values_failures_are_nil_message_and_name) {
  lua_State *L = luaL_newstate();
  CHECK_EQ(pml_lua_fail(L, PML_EFULL, "no room"), 3);
  CHECK(lua_isnil(L, 1));
  CHECK_STR(lua_tostring(L, 2), "no room");
  CHECK_STR(lua_tostring(L, 3), "FULL");
  lua_pushlstring(L, "a\0b", 3);
  CHECK_STR(pml_lua_name(L, 4), "");
  lua_pushnumber(L, 1.5);
  CHECK_EQ(pml_lua_id(L, 5), 0);
  lua_close(L);
}
