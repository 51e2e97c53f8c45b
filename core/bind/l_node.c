/* l_node: the node as Lua sees it: life, timers, answers, rpc, the directory. */
#include "bind/l_node.h"

#include "base/err.h"
#include "base/mem.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/json.h"
#include "bind/l_watch.h"
#include "script/lua_node.h"
#include "node/calls_in.h"
#include "node/frontend.h"
#include "node/requests.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- what the bindings share ------------------------------------------------- */

static const char node_kind;

void *pml_lua_object(lua_State *L, int idx, size_t size, const void *kind, const char *tname) {
  const void **p = lua_touserdata(L, idx);
  if (!p || lua_objlen(L, idx) != size || *p != kind) luaL_typerror(L, idx, tname);
  return p;
}

pml_lua *pml_lua_check(lua_State *L) {
  pml_lua *lua = pml_lua_object(L, 1, sizeof *lua, &node_kind, PML_NODE_TNAME);
  if (!lua->node) luaL_error(L, "this node is closed");
  return lua;
}

lua_State *pml_lua_enter(pml_lua *lua, lua_State *L) {
  lua_State *before = lua->L;
  lua->L = L;
  lua->busy++;
  return before;
}

void pml_lua_leave(pml_lua *lua, lua_State *before) {
  lua->L = before;
  lua->busy--;
}

int pml_lua_fail_name(lua_State *L, const char *name, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, name);
  return 3;
}

int pml_lua_fail(lua_State *L, int err, const char *message) {
  return pml_lua_fail_name(L, pml_err_name(err), message);
}

pml_id pml_lua_id(lua_State *L, int idx) {
  lua_Number n = luaL_checknumber(L, idx);
  return n >= 1 && n <= 9007199254740992.0 && n == floor(n) ? (pml_id)n : 0;
}

/* The shortest text that reads back, as scripts see a number printed. */
static int number_text(char buf[40], double x) {
  if (x == 0) return snprintf(buf, 40, "0"); /* -0, too */
  if (x == floor(x) && fabs(x) <= 9007199254740992.0) return snprintf(buf, 40, "%.0f", x);
  for (int digits = 15;; digits++) {
    int n = snprintf(buf, 40, "%.*g", digits, x);
    if (digits == 17 || strtod(buf, NULL) == x) return n;
  }
}

int pml_lua_uid(lua_State *L, int idx, char buf[40], pml_uid *out) {
  if (lua_type(L, idx) == LUA_TNUMBER) {
    lua_Number x = lua_tonumber(L, idx);
    if (!isfinite(x)) return PML_EINVAL;
    *out = (pml_uid){buf, (uint32_t)number_text(buf, x), 1};
    return 0;
  }
  if (lua_type(L, idx) != LUA_TSTRING) return PML_EINVAL;
  size_t n;
  const char *s = lua_tolstring(L, idx, &n);
  if (n > PML_UID_MAX) return PML_EINVAL;
  *out = (pml_uid){s, (uint32_t)n, 0};
  return 0;
}

void pml_lua_push_uid(lua_State *L, pml_uid uid) {
  char text[40];
  if (!uid.s) {
    lua_pushnil(L);
  } else if (uid.is_number && uid.n < sizeof text) {
    memcpy(text, uid.s, uid.n);
    text[uid.n] = '\0';
    lua_pushnumber(L, strtod(text, NULL));
  } else {
    lua_pushlstring(L, uid.s, uid.n);
  }
}

const char *pml_lua_name(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return strlen(s) == n ? s : "";
}

void pml_lua_push_slice(lua_State *L, pml_slice s) {
  if (s.n) lua_pushlstring(L, (const char *)s.p, s.n);
  else lua_pushnil(L);
}

void pml_lua_push_uids(lua_State *L, pml_slice list) {
  pml_uid uid;
  int i = 0;
  lua_newtable(L);
  while (pml_uids_next(&list, &uid) > 0) {
    pml_lua_push_uid(L, uid);
    lua_rawseti(L, -2, ++i);
  }
}

int pml_lua_uids(lua_State *L, int idx, pml_writer *w) {
  char buf[40];
  pml_uid uid;
  if (lua_isnoneornil(L, idx)) return 0;
  if (lua_type(L, idx) != LUA_TTABLE) return PML_EINVAL;
  int n = (int)lua_objlen(L, idx);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, idx, i);
    int rc = pml_lua_uid(L, -1, buf, &uid);
    if (rc == 0) pml_uids_put(w, uid);
    lua_pop(L, 1);
    if (rc) return rc;
  }
  return 0;
}

/* --- life ---------------------------------------------------------------------- */

/* node:entries{message=fn, …}: the functions that C calls */
static int l_entries(lua_State *L) {
  pml_script_lua_entries(L, pml_lua_check(L), 2);
  return 0;
}

/* node:id() -> string */
static int l_id(lua_State *L) {
  lua_pushstring(L, pml_node_id(pml_lua_check(L)->node));
  return 1;
}

/* node:type() -> string */
static int l_type(lua_State *L) {
  lua_pushstring(L, pml_node_type(pml_lua_check(L)->node));
  return 1;
}

/* node:isFrontend() -> boolean */
static int l_is_frontend(lua_State *L) {
  lua_pushboolean(L, pml_node_is_frontend(pml_lua_check(L)->node));
  return 1;
}

/* node:now() -> milliseconds, monotonic */
static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_loop_now(pml_node_loop(pml_lua_check(L)->node)));
  return 1;
}

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};

/* node:log(level, text) */
static int l_log(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int level = luaL_checkoption(L, 2, NULL, levels);
  size_t n;
  const char *text = luaL_checklstring(L, 3, &n);
  pml_log_text(pml_node_log(lua->node), (pml_level)level, text, n);
  return 0;
}

/* node:mayLog(level, kind, lines, ms) -> whether a line that others can cause may be written */
static int l_may_log(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int level = luaL_checkoption(L, 2, NULL, levels);
  size_t n;
  const char *kind = luaL_checklstring(L, 3, &n);
  lua_Integer lines = luaL_checkinteger(L, 4), ms = luaL_checkinteger(L, 5);
  luaL_argcheck(L, lines > 0, 4, "at least one line");
  luaL_argcheck(L, ms > 0 && ms <= 3600000, 5, "milliseconds, from 1 to 3600000");
  lua_pushboolean(L, pml_log_may(pml_node_log(lua->node), (pml_level)level, kind, n,
                                 (uint32_t)lines, (uint32_t)ms));
  return 1;
}

/* node:configure{name = number, …} -> true; raises on an unknown name or a bad value */
static int l_configure(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    double lo = 0, hi = 0;
    if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "configure: names are strings");
    const char *name = pml_lua_ctext(L, -2, "configure: a name");
    if (lua_type(L, -1) != LUA_TNUMBER)
      return luaL_error(L, "%s must be a number, got a %s", name, luaL_typename(L, -1));
    int rc = pml_config_set(pml_node_config(lua->node), name, lua_tonumber(L, -1), &lo, &hi);
    if (rc == PML_ENOENT) return luaL_error(L, "configure: there is no setting '%s'", name);
    if (rc)
      return luaL_error(L, "%s must be from %f to %f, got %f", name, lo, hi, lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
  pml_budget_set(lua->budget, pml_node_config(lua->node)->budget_ms);
  pml_budget_memory(lua->budget, pml_node_config(lua->node)->memory_hard_mib);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:renew(): a script that was being stopped has ended; what follows has a whole budget */
static int l_renew(lua_State *L) {
  pml_budget_renew(pml_lua_check(L)->budget);
  return 0;
}

static const char *server_field(lua_State *L, int i, const char *name) {
  lua_getfield(L, -1, name);
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "servers[%d].%s must be a string, got a %s", i, name, luaL_typename(L, -1));
  const char *s = pml_lua_ctext_field(L, -1, name); /* lives in the table */
  lua_pop(L, 1);
  return s;
}

/* node:setServers{{id=, type=, frontend=}, …} -> true: all servers of the app */
static int l_set_servers(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_directory *d = pml_node_directory(lua->node);
  luaL_checktype(L, 2, LUA_TTABLE);
  int n = (int)lua_objlen(L, 2);
  for (int checked = 0; checked < 2; checked++) {
    if (checked) pml_directory_clear(d);
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, 2, i);
      if (!lua_istable(L, -1)) return luaL_error(L, "servers[%d] must be a table", i);
      const char *id = server_field(L, i, "id"), *type = server_field(L, i, "type");
      lua_getfield(L, -1, "frontend");
      if (checked) pml_directory_add(d, id, type, lua_toboolean(L, -1));
      lua_pop(L, 2);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:alive(serverId) -> boolean */
static int l_alive(lua_State *L) {
  lua_pushboolean(L, pml_node_alive(pml_lua_check(L)->node, pml_lua_name(L, 2)));
  return 1;
}

/* node:incarnation(serverId) -> number: which life of that server is there now | nil: it is not */
static int l_incarnation(lua_State *L) {
  uint64_t it = pml_node_incarnation(pml_lua_check(L)->node, pml_lua_name(L, 2));
  if (it) lua_pushnumber(L, (lua_Number)it);
  else lua_pushnil(L);
  return 1;
}

/* node:listen{host=, port=} -> port | nil, message, "IO" */
static int l_listen(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char err[256];
  int bound;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "host");
  lua_getfield(L, 2, "port");
  const char *host = lua_isnil(L, -2) ? NULL : pml_lua_ctext(L, -2, "host");
  int rc = pml_node_listen(lua->node, host, (int)luaL_checkinteger(L, -1), &bound, err, sizeof err);
  if (rc) return pml_lua_fail(L, rc, err);
  lua_pushinteger(L, bound);
  return 1;
}

static void count_field(const char *name, double value, void *ud) {
  lua_State *L = ud;
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* node:counts() -> table of counters by name */
static int l_counts(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_newtable(L);
  pml_node_counts(lua->node, count_field, L);
  return 1;
}

/* node:countOverInFlight(): a message was refused, as too many of its session's are worked on */
static int l_count_over_in_flight(lua_State *L) {
  pml_node_count_over_in_flight(pml_lua_check(L)->node);
  return 0;
}

/* node:loaded(): tells the program that this server's scripts are loaded */
static int l_loaded(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (lua->member) pml_member_loaded(lua->member);
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

/* node:failed(text): this server cannot start; the program ends with that line */
static int l_failed(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *text = pml_lua_ctext_shown(L, 2);
  if (lua->member) pml_member_failed(lua->member, text);
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

/* node:shutdown(status): ends the whole program in order */
static int l_shutdown(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  int status = (int)luaL_optinteger(L, 2, 0);
  if (lua->member) pml_member_shutdown(lua->member, status);
  return 0;
}

/* --- timers ---------------------------------------------------------------------- */

/* node:timer(ms) -> id | nil, message, "FULL" */
static int l_timer(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_Number ms = luaL_checknumber(L, 2);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 2, "milliseconds, from 0 to 4294967295");
  pml_id id = pml_node_timer(lua->node, (uint64_t)ceil(ms));
  if (!id) return pml_lua_fail(L, PML_EFULL, "too many timers");
  lua_pushnumber(L, (lua_Number)id);
  return 1;
}

/* node:cancel(id) -> boolean */
static int l_cancel(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_pushboolean(L, pml_node_timer_cancel(lua->node, pml_lua_id(L, 2)));
  return 1;
}

/* --- answers ------------------------------------------------------------------------ */

/* node:answer(request, value) -> true | nil, message, "CLOSED" | "ENCODE" | "TOOBIG" */
static int l_answer(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id request = pml_lua_id(L, 2);
  luaL_checkany(L, 3);
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = pml_requests_msg_id(lua->node, request)};
  if (!m.id) return pml_lua_fail(L, PML_ECLOSED, "this request has been answered");
  char err[256];
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  if (pml_json_write(L, 3, &w, "msg", err, sizeof err) != 0) {
    pml_writer_drop(&w);
    return pml_lua_fail_name(L, "ENCODE", err);
  }
  pml_buf *frame = pml_frame_end(&w, PML_PKG_DATA);
  if (!frame) return pml_lua_fail(L, PML_ETOOBIG, "the answer is above 16 MiB");
  int rc = pml_requests_answer(lua->node, request, frame);
  pml_buf_unref(frame);
  if (rc) return pml_lua_fail(L, rc, "this request has been answered");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:forward(pending, serverId | nil) -> true | nil, message, "CLOSED" | "NOENT" | … */
static int l_forward(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *to = lua_isnoneornil(L, 3) ? NULL : pml_lua_name(L, 3);
  int rc = pml_frontend_forward(lua->node, pml_lua_id(L, 2), to);
  if (rc == PML_ECLOSED)
    return pml_lua_fail(L, rc, "this message has been forwarded, or its client is gone");
  if (rc && to) {
    lua_pushfstring(L, "server '%s' takes no messages now", to);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:defaultRoute(type, key) -> serverId | nil: of the servers of that type that are there, the
 * one that Pomelo's default route gives a key, a uid as a rule */
static int l_default_route(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t ntype, nkey;
  const char *type = luaL_checklstring(L, 2, &ntype), *key = luaL_checklstring(L, 3, &nkey);
  const pml_server_info *to =
    pml_node_route(lua->node, pml_slice_of(type, ntype), pml_slice_of(key, nkey));
  lua_pushstring(L, to ? to->id : NULL);
  return 1;
}

/* node:setRouted(type, boolean) */
static int l_set_routed(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *type = pml_lua_ctext(L, 2, "type");
  pml_frontend_set_routed(lua->node, type, lua_toboolean(L, 3));
  return 0;
}

/* node:handshake(sid, code, json) -> true | nil, message, "NOENT" */
static int l_handshake(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  pml_id sid = pml_lua_id(L, 2);
  int code = (int)luaL_checkinteger(L, 3);
  const char *json = luaL_checklstring(L, 4, &n);
  int rc = pml_frontend_handshake(lua->node, sid, code, pml_slice_of(json, n));
  if (rc) return pml_lua_fail(L, rc, "the client is gone");
  lua_pushboolean(L, 1);
  return 1;
}

/* --- rpc ----------------------------------------------------------------------------- */

/* Encodes n values from index `first` as a JSON array. NULL: err says what cannot be. */
static pml_buf *args_block(lua_State *L, int first, int n, char *err, size_t nerr) {
  pml_writer w = {0};
  if (pml_json_args(L, first, n, &w, err, nerr) == 0) return pml_writer_finish(&w);
  pml_writer_drop(&w);
  return NULL;
}

/* How many values from index `first` on an argument says there are; missing ones become nil. */
static int check_count(lua_State *L, int arg, int first) {
  int n = (int)luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= 0 && n <= 250, arg, "a number of values from 0 to 250");
  luaL_checkstack(L, n + 8, "too many values");
  if (lua_gettop(L) < first - 1 + n) lua_settop(L, first - 1 + n);
  return n;
}

typedef int (*call_fn)(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                       pml_id *call);

static int call_by(lua_State *L, call_fn fn) {
  pml_lua *lua = pml_lua_check(L);
  size_t nname;
  const char *to = pml_lua_name(L, 2), *name = luaL_checklstring(L, 3, &nname);
  lua_Number ms = luaL_checknumber(L, 4);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 4, "milliseconds");
  int n = check_count(L, 5, 6);
  char err[256];
  pml_buf *args = args_block(L, 6, n, err, sizeof err);
  if (!args) return pml_lua_fail_name(L, "ENCODE", err);
  pml_id call;
  int rc = fn(lua->node, to, pml_slice_of(name, nname), args, (uint32_t)ceil(ms), &call);
  pml_buf_unref(args);
  if (rc == PML_ENOENT) {
    lua_pushfstring(L, "server '%s' is not there", to);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  if (rc == PML_EFULL) return pml_lua_fail(L, rc, "too many calls are waiting");
  if (rc) return pml_lua_fail(L, rc, "the call was not sent");
  if (call) lua_pushnumber(L, (lua_Number)call);
  else lua_pushboolean(L, 1);
  return 1;
}

/* node:call(serverId, name, ms, n, …) -> call | true | nil, message, NAME */
static int l_call(lua_State *L) { return call_by(L, pml_node_call); }

/* node:callAside(serverId, name, ms, n, …) -> as node:call; a stop does not wait for it */
static int l_call_aside(lua_State *L) { return call_by(L, pml_node_call_aside); }

static int reply_failed(lua_State *L, int rc) {
  return pml_lua_fail(L, rc, rc == PML_ECLOSED ? "this call has ended" : "the answer was not sent");
}

/* node:reply(call, n, …) -> true | nil, message, "CLOSED" | "ENCODE" | "TOOBIG": the call is still
 * open */
static int l_reply(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id call = pml_lua_id(L, 2);
  int n = check_count(L, 3, 4);
  char err[256];
  pml_buf *body = args_block(L, 4, n, err, sizeof err);
  if (!body) return pml_lua_fail_name(L, "ENCODE", err);
  int rc = pml_node_reply(lua->node, call, 0, body);
  pml_buf_unref(body);
  if (rc) return reply_failed(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:replyError(call, text) -> true | nil, message, "CLOSED" */
static int l_reply_error(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id call = pml_lua_id(L, 2);
  size_t n;
  const char *text = luaL_checklstring(L, 3, &n);
  pml_buf *body = pml_buf_from(text, n);
  int rc = pml_node_reply(lua->node, call, 1, body);
  pml_buf_unref(body);
  if (rc) return reply_failed(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:setGeneration(number): of the scripts; requests and calls that come from here on get it */
static int l_set_generation(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_node_set_generation(lua->node, (uint32_t)luaL_checkinteger(L, 2));
  return 0;
}

static void add_older(pml_id id, uint32_t generation, void *ud) {
  lua_State *L = ud;
  lua_pushnumber(L, (lua_Number)id);
  lua_pushnumber(L, generation);
  lua_rawset(L, -3);
}

/* node:older() -> requests, calls: open ones of earlier generations, {[id] = generation} */
static int l_older(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_newtable(L);
  pml_requests_older(lua->node, add_older, L);
  lua_newtable(L);
  pml_backend_older(lua->node, add_older, L);
  return 2;
}

static const luaL_Reg methods[] = {
  {"entries", l_entries},
  {"id", l_id},
  {"type", l_type},
  {"isFrontend", l_is_frontend},
  {"now", l_now},
  {"log", l_log},
  {"mayLog", l_may_log},
  {"configure", l_configure},
  {"renew", l_renew},
  {"setServers", l_set_servers},
  {"alive", l_alive},
  {"incarnation", l_incarnation},
  {"listen", l_listen},
  {"counts", l_counts},
  {"countOverInFlight", l_count_over_in_flight},
  {"loaded", l_loaded},
  {"notice", l_notice},
  {"failed", l_failed},
  {"listening", l_listening},
  {"stopped", l_stopped},
  {"patient", l_patient},
  {"shutdown", l_shutdown},
  {"controlled", l_controlled},
  {"timer", l_timer},
  {"cancel", l_cancel},
  {"answer", l_answer},
  {"forward", l_forward},
  {"defaultRoute", l_default_route},
  {"setRouted", l_set_routed},
  {"handshake", l_handshake},
  {"call", l_call},
  {"callAside", l_call_aside},
  {"reply", l_reply},
  {"replyError", l_reply_error},
  {"setGeneration", l_set_generation},
  {"older", l_older},
  {NULL, NULL},
};

void pml_open_node(lua_State *L) {
  if (luaL_newmetatable(L, PML_NODE_TNAME)) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    pml_lua_session_methods(L);
    pml_lua_channel_methods(L);
    pml_lua_virtual_methods(L);
    pml_lua_watch_methods(L);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, PML_NODE_TNAME);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
}

pml_lua *pml_lua_node_push(lua_State *L, pml_node *node, pml_member *member) {
  pml_lua *lua = lua_newuserdata(L, sizeof *lua);
  memset(lua, 0, sizeof *lua);
  lua->kind = &node_kind;
  lua->L = L;
  lua->node = node;
  lua->member = member;
  for (int i = 0; i < PML_ENTRIES; i++) lua->entry[i] = LUA_NOREF;
  luaL_getmetatable(L, PML_NODE_TNAME);
  lua_setmetatable(L, -2);
  lua_newtable(L); /* id -> Channel, weak */
  lua_newtable(L);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua->channels = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, 1);
  lua->env = luaL_ref(L, LUA_REGISTRYINDEX);
  pml_script_lua_set(lua);
  return lua;
}
