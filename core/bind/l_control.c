#include "bind/l_control.h"

#include "base/err.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"
#include "host/control_client.h"

#define TNAME "pomelua.program"

/* --- what Lua asks of the program -------------------------------------------------- */

static pml_program *check(lua_State *L) {
  pml_program **p = luaL_checkudata(L, 1, TNAME);
  if (!*p) luaL_error(L, "the program has ended");
  return *p;
}

static int result(lua_State *L, int rc, const char *message) {
  if (rc) return pml_lua_fail(L, rc, message);
  lua_pushboolean(L, 1);
  return 1;
}

/* program:tell(serverId, call, text) -> true | nil, message, "NOENT": hooks.told comes later */
static int l_tell(lua_State *L) {
  pml_program *p = check(L);
  const char *server = pml_lua_name(L, 2);
  pml_id call = pml_lua_id(L, 3);
  return result(L, pml_program_tell(p, server, call, pml_lua_ctext(L, 4, "text")),
                "there is no such server");
}

/* program:write(client, text): a line for a tool */
static int l_write(lua_State *L) {
  pml_program *p = check(L);
  size_t n;
  pml_id client = pml_lua_id(L, 2);
  const char *text = luaL_checklstring(L, 3, &n);
  pml_program_write(p, client, pml_slice_of(text, n));
  return 0;
}

/* program:peer(client) -> uid, pid | nil: the user and the process behind a tool */
static int l_peer(lua_State *L) {
  uint32_t uid, pid;
  if (pml_program_peer(check(L), pml_lua_id(L, 2), &uid, &pid) != 0) return 0;
  lua_pushnumber(L, uid);
  lua_pushnumber(L, pid);
  return 2;
}

/* program:wake(ms): hooks.wake comes once, then */
static int l_wake(lua_State *L) {
  pml_program_wake(check(L), (uint32_t)luaL_checkinteger(L, 2));
  return 0;
}

/* program:log(level, text): a line of the program's own log */
static int l_log(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
  size_t n;
  pml_program *p = check(L);
  pml_level level = (pml_level)luaL_checkoption(L, 2, NULL, levels);
  const char *text = luaL_checklstring(L, 3, &n);
  pml_log_text(pml_program_log(p), level, text, n);
  return 0;
}

/* program:stop(): as SIGTERM */
static int l_stop(lua_State *L) {
  pml_program_stop(check(L));
  return 0;
}

/* program:stopServer(id, now) -> true | nil, message, "NOENT": hooks.server comes later */
static int l_stop_server(lua_State *L) {
  pml_program *p = check(L);
  int rc = pml_program_stop_server(p, pml_lua_name(L, 2), lua_toboolean(L, 3));
  return result(L, rc, "there is no such server");
}

/* program:startServer{id=, type=, frontend=, boot=} -> true | nil, message, NAME: hooks.server
 * comes later */
static int l_start_server(lua_State *L) {
  pml_program *p = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_getfield(L, 2, "id");
  lua_getfield(L, 2, "type");
  lua_getfield(L, 2, "boot");
  lua_getfield(L, 2, "frontend");
  pml_member_spec s = {
    .id = pml_lua_ctext(L, 3, "id"),
    .type = pml_lua_ctext(L, 4, "type"),
    .boot = pml_lua_ctext(L, 5, "boot"),
    .frontend = lua_toboolean(L, 6),
  };
  int rc = pml_program_start_server(p, &s);
  return result(L, rc,
                rc == PML_EEXIST    ? "a server of that id is running"
                : rc == PML_ECLOSED ? "the program is stopping"
                                    : "no thread for it");
}

static const luaL_Reg methods[] = {
  {"tell", l_tell},
  {"write", l_write},
  {"peer", l_peer},
  {"wake", l_wake},
  {"log", l_log},
  {"stop", l_stop},
  {"stopServer", l_stop_server},
  {"startServer", l_start_server},
  {NULL, NULL},
};

/* --- what the program tells Lua ------------------------------------------------------- */

/* Pushes the hook and the program; 0 when scripts have no such hook. */
static int begin(pml_lua_control *c, pml_program *p, const char *name) {
  lua_State *L = c->L;
  lua_checkstack(L, 16);
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->hooks);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->program);
  *(pml_program **)lua_touserdata(L, -1) = p;
  return 1;
}

/* 0 when the hook has returned nresults values. */
static int finish(pml_lua_control *c, pml_program *p, int nargs, int nresults) {
  return pml_lua_call(c->L, nargs + 1, nresults, pml_program_log(p), "control");
}

static void on_line(pml_program *p, pml_id client, pml_slice line, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "line")) return;
  lua_pushnumber(c->L, (lua_Number)client);
  lua_pushlstring(c->L, (const char *)line.p, line.n);
  finish(c, p, 2, 0);
}

static void on_gone(pml_program *p, pml_id client, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "gone")) return;
  lua_pushnumber(c->L, (lua_Number)client);
  finish(c, p, 1, 0);
}

static void on_told(pml_program *p, pml_id call, const char *text, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "told")) return;
  lua_pushnumber(c->L, (lua_Number)call);
  lua_pushstring(c->L, text);
  finish(c, p, 2, 0);
}

static int on_server(pml_program *p, const char *id, int up, const char *text, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "server")) return 0;
  lua_pushstring(c->L, id);
  lua_pushboolean(c->L, up);
  lua_pushstring(c->L, text);
  if (finish(c, p, 3, 1) != 0) return 0;
  int stays = lua_toboolean(c->L, -1);
  lua_pop(c->L, 1);
  return stays;
}

static void on_hup(pml_program *p, void *ud) {
  pml_lua_control *c = ud;
  if (begin(c, p, "hup")) finish(c, p, 0, 0);
}

static void on_wake(pml_program *p, void *ud) {
  pml_lua_control *c = ud;
  if (begin(c, p, "wake")) finish(c, p, 0, 0);
}

static void on_end(pml_program *p, int status, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "ended")) return;
  lua_pushinteger(c->L, status);
  finish(c, p, 1, 0);
}

static void make_program(lua_State *L) {
  pml_program **p = lua_newuserdata(L, sizeof *p);
  *p = NULL;
  pml_lua_class(L, TNAME, methods, NULL);
  lua_setmetatable(L, -2);
}

void pml_lua_control_read(lua_State *L, int idx, pml_lua_control *c, pml_program_options *o) {
  *c = (pml_lua_control){L, LUA_NOREF, LUA_NOREF};
  lua_getfield(L, idx, "control");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_getfield(L, -1, "path");
  o->control_path = pml_lua_ctext_field(L, -1, "control.path"); /* lives in the table */
  lua_pop(L, 1);
  c->hooks = luaL_ref(L, LUA_REGISTRYINDEX);
  make_program(L);
  c->program = luaL_ref(L, LUA_REGISTRYINDEX);
  o->control = (pml_program_control){on_line, on_gone, on_told, on_server, on_hup, on_wake, on_end};
}

void pml_lua_control_end(pml_lua_control *c) {
  if (c->program == LUA_NOREF) return;
  lua_rawgeti(c->L, LUA_REGISTRYINDEX, c->program);
  *(pml_program **)lua_touserdata(c->L, -1) = NULL;
  lua_pop(c->L, 1);
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->program);
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->hooks);
}

/* --- the tools' side --------------------------------------------------------------------- */

static int ask_line(pml_slice line, void *ud) {
  lua_State *L = ud;
  lua_pushlstring(L, (const char *)line.p, line.n);
  lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
  return memmem(line.p, line.n, "\"done\":true", 11) != NULL;
}

/* core.ask(path, line, ms) -> {line, …} | nil, message, "NOENT" | "TIMEOUT" | "IO", {line, …}:
 * blocks */
static int l_ask(lua_State *L) {
  size_t n;
  const char *path = pml_lua_ctext(L, 1, "path"), *line = luaL_checklstring(L, 2, &n);
  uint32_t ms = (uint32_t)luaL_checkinteger(L, 3);
  lua_newtable(L);
  int rc = pml_control_ask(path, pml_slice_of(line, n), ms, ask_line, L);
  if (rc == 0) return 1;
  int lines = lua_gettop(L);
  pml_lua_fail(L, rc,
               rc == PML_ENOENT     ? "no program listens there"
               : rc == PML_ETIMEOUT ? "no answer"
                                    : "the talk broke off");
  lua_pushvalue(L, lines);
  return 4;
}

void pml_open_control(lua_State *L) {
  lua_pushcfunction(L, l_ask);
  lua_setfield(L, -2, "ask");
}
