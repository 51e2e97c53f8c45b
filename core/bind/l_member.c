/* l_member: methods of the node: what a server reports to its program. Without a program, in a
 * virtual node, they do nothing. */
#include "bind/node_methods.h"

#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

/* node:loaded(): tells the program that this server's scripts are loaded */
static int l_loaded(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (lua->member) pml_member_loaded(lua->member);
  return 0;
}

/* node:inform(json): what other processes hear of this server; before node:loaded, and again when
 * it has changed */
static int l_inform(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *json = pml_lua_ctext(L, 2, "json");
  if (lua->member) pml_member_info(lua->member, json);
  return 0;
}

/* node:notice(lines) -> whether the program takes it: warnings of a start, one a line */
static int l_notice(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *lines = pml_lua_ctext_shown(L, 2);
  if (lua->member) pml_member_notice(lua->member, lines);
  lua_pushboolean(L, lua->member != NULL);
  return 1;
}

/* node:failed(text, wrong): this server cannot start; the program ends with that line. wrong:
 * because the files of the app are wrong */
static int l_failed(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *text = pml_lua_ctext_shown(L, 2);
  if (lua->member && lua_toboolean(L, 3)) pml_member_refused(lua->member, text);
  else if (lua->member) pml_member_failed(lua->member, text);
  return 0;
}

/* node:listening(lines): this server is up; lines for standard output, or nil */
static int l_listening(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *lines = lua_isnoneornil(L, 2) ? "" : pml_lua_ctext_shown(L, 2);
  if (lua->member) pml_member_listening(lua->member, lines);
  return 0;
}

/* node:stopped(number): the step of that number, of entries.stop, is done */
static int l_stopped(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id number = pml_lua_id(L, 2);
  if (lua->member) pml_member_stopped(lua->member, number);
  return 0;
}

/* node:patient(): beforeShutdown takes as long as it takes */
static int l_patient(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (lua->member) pml_member_patient(lua->member);
  return 0;
}

/* node:controlled(call, text): the answer to entries.control */
static int l_controlled(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id call = pml_lua_id(L, 2);
  const char *text = pml_lua_ctext_shown(L, 3);
  if (lua->member) pml_member_answer(lua->member, call, text);
  return 0;
}

/* node:wish(number, text) -> whether a program takes it: asks the program of this server, which
 * answers by a question (entries.control) */
static int l_wish(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id number = pml_lua_id(L, 2);
  const char *text = pml_lua_ctext(L, 3, "text");
  lua_pushboolean(L, lua->member && pml_member_wish(lua->member, number, text) == 0);
  return 1;
}

/* node:shutdown(status): ends the whole program in order */
static int l_shutdown(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int status = (int)luaL_optinteger(L, 2, 0);
  if (lua->member) pml_member_shutdown(lua->member, status);
  return 0;
}

const luaL_Reg pml_member_methods[] = {
  {"loaded", l_loaded},         {"notice", l_notice},   {"failed", l_failed},
  {"listening", l_listening},   {"stopped", l_stopped}, {"patient", l_patient},
  {"controlled", l_controlled}, {"wish", l_wish},       {"shutdown", l_shutdown},
  {"inform", l_inform},         {NULL, NULL},
};
