/* l_session: node methods about a frontend's sessions. Scripts hold ids; a stale
 * one answers an error. */
#include "bind/node_methods.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/err.h"
#include "node/frontend.h"
#include "script/handle.h"
#include "script/values.h"

#include <stdio.h>

/* NULL: no session has this id, or it is not a number. */
static pml_session *session_at(lua_State *L, pml_lua *lua, int idx) {
  if (lua_type(L, idx) != LUA_TNUMBER) return NULL;
  return pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, idx));
}

/* Pomelo's text (protocol 12.2). */
static int gone(lua_State *L, int idx) {
  char text[80];
  snprintf(text, sizeof text, "session does not exist, sid: %.0f", lua_tonumber(L, idx));
  return pml_lua_fail(L, PML_ENOENT, text);
}

static int done(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

/* node:session(sid) -> uid | nil, settingsJson | nil, whether there is such a session */
static int l_session(lua_State *L) {
  pml_session *s = session_at(L, pml_lua_check(L), 2);
  if (!s) {
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushboolean(L, 0);
    return 3;
  }
  pml_lua_push_uid(L, s->uid);
  pml_lua_push_slice(L, pml_buf_slice(s->settings));
  lua_pushboolean(L, 1);
  return 3;
}

/* "session … <current uid>", with the uid as text. */
static int bound_to(lua_State *L, int err, const char *words, pml_uid uid) {
  lua_pushstring(L, words);
  lua_pushlstring(L, uid.s ? uid.s : "null", uid.s ? uid.n : 4);
  lua_concat(L, 2);
  return pml_lua_fail(L, err, lua_tostring(L, -1));
}

/* node:bind(sid, uid, order | nil) -> true | nil, message, "NOENT" | "BOUND" | "INVAL". order:
 * which of two binds of a uid is the later (session/logins) */
static int l_bind(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_session *s = session_at(L, lua, 2);
  if (!s) return gone(L, 2);
  if (pml_lua_uid(L, 3, buf, &uid) != 0)
    return pml_lua_fail(L, PML_EINVAL, "a uid is a string or a number");
  lua_Number order = luaL_optnumber(L, 4, 0);
  luaL_argcheck(L, order >= 0 && order < 9007199254740992.0, 4, "a number below 2^53");
  int was_bound = s->uid.s != NULL;
  int rc = pml_sessions_bind(pml_node_sessions(lua->node), s, uid);
  if (rc == PML_EBOUND) return bound_to(L, rc, "session has already bind with ", s->uid);
  if (rc) return pml_lua_fail(L, rc, "a uid is a string or a number, and not empty");
  if (!was_bound) {
    s->bound_at = (uint32_t)(pml_clock_wall_ms() / 1000);
    s->bind_order = (uint64_t)order;
  }
  return done(L);
}

/* node:unbind(sid, uid) -> true | nil, message, "NOENT" */
static int l_unbind(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_session *s = session_at(L, lua, 2);
  if (!s) return gone(L, 2);
  if (pml_lua_uid(L, 3, buf, &uid) != 0)
    return pml_lua_fail(L, PML_EINVAL, "a uid is a string or a number");
  int rc = pml_sessions_unbind(pml_node_sessions(lua->node), s, uid);
  if (rc) return bound_to(L, rc, "session has not bind with ", s->uid);
  return done(L);
}

/* node:setSettings(sid, jsonText | nil) -> true | nil, message, "NOENT" */
static int l_set_settings(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n = 0;
  const char *json = luaL_optlstring(L, 3, NULL, &n);
  pml_session *s = session_at(L, lua, 2);
  if (!s) return gone(L, 2);
  pml_buf_unref(s->settings);
  s->settings = json ? pml_buf_from(json, n) : NULL;
  return done(L);
}

/* node:kick(sid, reason | nil) -> boolean: gone at once; without a reason no KICK is sent */
static int l_kick(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n = 0;
  const char *reason = luaL_optlstring(L, 3, NULL, &n);
  pml_session *s = session_at(L, lua, 2);
  if (s) pml_frontend_kick(lua->node, s, pml_slice_of(reason, n));
  lua_pushboolean(L, s != NULL);
  return 1;
}

/* node:sidsOf(uid) -> {sid, …} in the order of binding */
static int l_sids_of(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  int n = 0;
  lua_newtable(L);
  if (pml_lua_uid(L, 2, buf, &uid) != 0) return 1;
  pml_session *newest = pml_sessions_by_uid(pml_node_sessions(lua->node), uid);
  for (pml_session *s = newest; s; s = s->uid_next) n++;
  for (pml_session *s = newest; s; s = s->uid_next) {
    lua_pushnumber(L, (lua_Number)s->id);
    lua_rawseti(L, -2, n--);
  }
  return 1;
}

typedef struct {
  lua_State *L;
  int n;
} collect;

static int collect_one(pml_session *s, void *ud) {
  collect *c = ud;
  lua_pushnumber(c->L, (lua_Number)s->id);
  lua_rawseti(c->L, -2, ++c->n);
  return 0;
}

/* node:sids() -> {sid, …} */
static int l_sids(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  collect c = {L, 0};
  lua_newtable(L);
  pml_sessions_each(pml_node_sessions(lua->node), collect_one, &c);
  return 1;
}

/* node:address(sid) -> ip, port | nil */
static int l_address(lua_State *L) {
  pml_session *s = session_at(L, pml_lua_check(L), 2);
  char ip[PML_ADDRESS_TEXT] = "";
  int port = 0;
  if (!s || !s->sink) return 0;
  pml_sink_address(s->sink, ip, &port);
  lua_pushstring(L, ip);
  lua_pushinteger(L, port);
  return 2;
}

/* node:boundAt(sid) -> seconds since 1970 | nil: not bound */
static int l_bound_at(lua_State *L) {
  pml_session *s = session_at(L, pml_lua_check(L), 2);
  if (!s || !s->uid.s) return 0;
  lua_pushnumber(L, s->bound_at);
  return 1;
}

/* node:bindOrder(sid) -> what node:bind was given | nil: not bound */
static int l_bind_order(lua_State *L) {
  pml_session *s = session_at(L, pml_lua_check(L), 2);
  if (!s || !s->uid.s) return 0;
  lua_pushnumber(L, (lua_Number)s->bind_order);
  return 1;
}

/* node:watchClosed(sid) -> boolean: entries.closed will be called for it */
static int l_watch_closed(lua_State *L) {
  pml_session *s = session_at(L, pml_lua_check(L), 2);
  if (s) s->wants_closed = 1;
  lua_pushboolean(L, s != NULL);
  return 1;
}

const luaL_Reg pml_session_methods[] = {
  {"session", l_session},
  {"bind", l_bind},
  {"unbind", l_unbind},
  {"setSettings", l_set_settings},
  {"kick", l_kick},
  {"sidsOf", l_sids_of},
  {"sids", l_sids},
  {"address", l_address},
  {"boundAt", l_bound_at},
  {"bindOrder", l_bind_order},
  {"watchClosed", l_watch_closed},
  {NULL, NULL},
};
