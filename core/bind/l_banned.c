/* l_banned: the methods of a node about bans. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "base/mem.h"
#include "node/banned.h"
#include "node/frontend.h"
#include "script/handle.h"
#include "script/values.h"

/* The text at place i of the table at the top of the stack; owned. Texts were checked before. */
static pml_buf *text_at(lua_State *L, int i) {
  size_t n = 0;
  lua_rawgeti(L, -1, i);
  const char *s = lua_tolstring(L, -1, &n);
  pml_buf *b = pml_buf_from(s ? s : "", n);
  lua_pop(L, 1);
  return b;
}

/* Whether the value at the top is {network, reason, body}, all of them texts. */
static int is_ban(lua_State *L, pml_cidr *net) {
  size_t n = 0;
  int fits = lua_istable(L, -1);
  for (int i = 1; fits && i <= 3; i++) {
    lua_rawgeti(L, -1, i);
    fits = lua_type(L, -1) == LUA_TSTRING;
    const char *s = fits && i == 1 ? lua_tolstring(L, -1, &n) : NULL;
    if (s) fits = pml_cidr_parse(pml_slice_of(s, n), net, NULL) == 0;
    lua_pop(L, 1);
  }
  return fits;
}

/* node:banNetworks{{network, reason, body}, …} -> how many sessions it has ended | nil, message,
 * "INVAL". The list replaces the one before. body: the answer to a handshake, JSON text. */
static int l_ban_networks(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  uint32_t count = (uint32_t)lua_objlen(L, 2), done = 0;
  pml_ban *v = pml_alloc0((count + 1) * sizeof *v);
  for (; done < count; done++) {
    lua_rawgeti(L, 2, (int)done + 1);
    if (!is_ban(L, &v[done].net)) break;
    v[done].reason = text_at(L, 2);
    v[done].body = text_at(L, 3);
    lua_pop(L, 1);
  }
  if (done < count) {
    pml_bans_free(v, done);
    return pml_lua_fail(L, PML_EINVAL, "a ban is {network, reason, body}");
  }
  pml_banned_set(lua->node, v, count);
  lua_State *before = pml_lua_enter(lua, L);
  size_t ended = pml_frontend_end_banned(lua->node);
  pml_lua_leave(lua, before);
  lua_pushnumber(L, (lua_Number)ended);
  return 1;
}

/* node:bannedAddress(ip) -> reason | nil */
static int l_banned_address(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const pml_ban *ban = pml_banned_find(lua->node, luaL_checkstring(L, 2));
  if (!ban) return 0;
  lua_pushlstring(L, (const char *)ban->reason->data, ban->reason->len);
  return 1;
}

static pml_session *session_at(lua_State *L, pml_lua *lua, int idx) {
  return pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, idx));
}

/* node:endBanned(sid, text) -> whether there was such a session: KICK with that text, and the
 * connection ends for "banned" */
static int l_end_banned(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *text = luaL_checklstring(L, 3, &n);
  pml_session *s = session_at(L, lua, 2);
  if (s) pml_frontend_end(lua->node, s, PML_END_BANNED, pml_slice_of(text, n));
  lua_pushboolean(L, s != NULL);
  return 1;
}

/* node:refuseBanned(sid, code, body) -> whether the session is there: the answer to its handshake,
 * after which the connection ends for "banned" */
static int l_refuse_banned(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  int code = (int)luaL_checkinteger(L, 3);
  const char *body = luaL_checklstring(L, 4, &n);
  int rc =
    pml_frontend_refuse(lua->node, pml_lua_id(L, 2), code, pml_slice_of(body, n), PML_END_BANNED);
  lua_pushboolean(L, rc == 0);
  return 1;
}

const luaL_Reg pml_banned_methods[] = {
  {"banNetworks", l_ban_networks},
  {"bannedAddress", l_banned_address},
  {"endBanned", l_end_banned},
  {"refuseBanned", l_refuse_banned},
  {NULL, NULL},
};
