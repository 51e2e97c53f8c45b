/* A Channel holds an id, never a pointer: an id of a channel that was destroyed finds nothing, also
 * when a channel of the same name exists again. */
#include "bind/l_channel.h"

#include "base/limits.h"
#include "base/err.h"
#include "bind/l_push.h"
#include "script/json.h"
#include "script/values.h"

#include <string.h>

#define TNAME "pomelua.channel"

typedef struct {
  const void *kind;
  pml_lua *lua; /* kept alive by the userdata's environment */
  pml_id id;
} handle;

static const char handle_kind;

static handle *check(lua_State *L, int idx) {
  return pml_lua_object(L, idx, sizeof(handle), &handle_kind, TNAME);
}

/* The living channel behind argument idx, NULL when it was destroyed. */
static pml_channel *live(lua_State *L, int idx) {
  handle *h = check(L, idx);
  return h->lua->node ? pml_channels_get(pml_node_channels(h->lua->node), h->id) : NULL;
}

void pml_lua_push_channel(lua_State *L, pml_lua *lua, const pml_channel *c) {
  pml_lua_push_channel_of(L, lua, pml_channel_id(c), pml_channel_name(c));
}

void pml_lua_push_channel_of(lua_State *L, pml_lua *lua, pml_id id, pml_slice name) {
  pml_anchor_push(L, &lua->channels);
  lua_pushnumber(L, (lua_Number)id);
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    handle *h = lua_newuserdata(L, sizeof *h);
    h->kind = &handle_kind;
    h->lua = lua;
    h->id = id;
    luaL_getmetatable(L, TNAME);
    lua_setmetatable(L, -2);
    /* The environment: the node, so that it outlives the handle, and the name, which outlives the
     * channel. */
    lua_createtable(L, 2, 0);
    pml_anchor_push(L, &lua->env);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, (const char *)name.p, name.n);
    lua_rawseti(L, -2, 2);
    lua_setfenv(L, -2);
    lua_pushnumber(L, (lua_Number)id);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* channel.name -> string; any other key: a method or nil */
static int l_index(lua_State *L) {
  check(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "name") == 0) {
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, 2);
    return 1;
  }
  return pml_lua_index(L);
}

/* tostring(channel) -> "Channel <name> (<id>)" */
static int l_tostring(lua_State *L) {
  handle *h = check(L, 1);
  lua_getfenv(L, 1);
  lua_rawgeti(L, -1, 2);
  lua_pushfstring(L, "Channel %s (%f)", lua_tostring(L, -1), (lua_Number)h->id);
  return 1;
}

/* A frontend id at idx: NULL when it is nil, false or empty; raises on other types. */
static const char *sid_at(lua_State *L, int idx) {
  size_t n;
  if (lua_isnoneornil(L, idx) || (lua_isboolean(L, idx) && !lua_toboolean(L, idx))) return NULL;
  if (lua_type(L, idx) != LUA_TSTRING) luaL_typerror(L, idx, "string (a server id)");
  const char *s = lua_tolstring(L, idx, &n);
  luaL_argcheck(L, n <= PML_SERVER_ID_MAX && strlen(s) == n, idx,
                "a server id has at most " PML_TEXT_OF(PML_SERVER_ID_MAX) " characters");
  return n ? s : NULL;
}

static void uid_at(lua_State *L, int idx, char buf[PML_NUMBER_TEXT], pml_uid *out) {
  if (pml_lua_uid(L, idx, buf, out) != 0)
    luaL_argerror(L, idx, "a uid is a string of at most 4096 bytes, or a number");
}

/* Takes a session at index 2 apart: uid and sid in its place, the id behind them. Sessions are
 * tables whose fields are their own. Returns the session's id, 0: it is no table. */
static pml_id session_at(lua_State *L, const char *what) {
  if (lua_type(L, 2) != LUA_TTABLE) return 0;
  lua_settop(L, 2);
  lua_getfield(L, 2, "id");
  pml_id id = lua_type(L, 3) == LUA_TNUMBER ? pml_lua_id(L, 3) : 0;
  lua_getfield(L, 2, "uid");
  lua_getfield(L, 2, "frontendId");
  if (!id || lua_type(L, 5) != LUA_TSTRING)
    luaL_error(L, "channel:%s(session): the table is no session", what);
  if (lua_isnil(L, 4))
    luaL_error(L, "channel:%s(session): the session has no uid, bind it first", what);
  lua_replace(L, 3);
  lua_replace(L, 2);
  return id;
}

/* channel:add(uid, sid), or add(session) -> boolean: false when destroyed or sid missing */
static int l_add(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  handle *h = check(L, 1);
  pml_id session = session_at(L, "add");
  uid_at(L, 2, buf, &uid);
  const char *sid = sid_at(L, 3);
  pml_channel *c = live(L, 1);
  int rc = c && sid ? pml_channel_add(c, uid, sid) : PML_EINVAL;
  if (rc >= 0 && session) pml_node_member_tied(h->lua->node, c, uid, sid, session);
  else if (rc == 0) pml_node_member_again(h->lua->node, c, uid, sid);
  lua_pushboolean(L, rc >= 0);
  return 1;
}

/* channel:leave(uid, sid), or leave(session) -> boolean: whether it was a member */
static int l_leave(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  check(L, 1);
  session_at(L, "leave");
  if (lua_isnoneornil(L, 2)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  uid_at(L, 2, buf, &uid);
  const char *sid = sid_at(L, 3);
  pml_channel *c = live(L, 1);
  lua_pushboolean(L, c && sid && pml_channel_leave(c, uid, sid, PML_LEFT_ASKED) == 1);
  return 1;
}

/* channel:getMembers() -> {uid, …} by frontend, in the order in which they joined; a JSON
 * array also when it is empty */
static int l_get_members(lua_State *L) {
  pml_channel *c = live(L, 1);
  int n = 0;
  lua_newtable(L);
  luaL_getmetatable(L, PML_JSON_ARRAY);
  lua_setmetatable(L, -2);
  if (!c) return 1;
  for (pml_group *g = pml_channel_first(c); g; g = pml_group_next(c, g)) {
    pml_slice uids = pml_buf_slice(pml_group_uids(g));
    pml_uid uid;
    while (pml_uids_next(&uids, &uid) > 0) {
      pml_lua_push_uid(L, uid);
      lua_rawseti(L, -2, ++n);
    }
  }
  return 1;
}

/* channel:getMember(uid) -> {uid=, sid=} | nil */
static int l_get_member(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid, as;
  pml_channel *c = live(L, 1);
  if (lua_isnoneornil(L, 2)) return 0;
  uid_at(L, 2, buf, &uid);
  const char *sid = c ? pml_channel_member(c, uid, &as) : NULL;
  if (!sid) return 0;
  lua_createtable(L, 0, 2);
  pml_lua_push_uid(L, as);
  lua_setfield(L, -2, "uid");
  lua_pushstring(L, sid);
  lua_setfield(L, -2, "sid");
  return 1;
}

/* channel:getUserAmount() -> number of members */
static int l_get_user_amount(lua_State *L) {
  pml_channel *c = live(L, 1);
  lua_pushnumber(L, c ? (lua_Number)pml_channel_count(c) : 0);
  return 1;
}

/* channel:destroy(): a second call, or one on a stale handle, changes nothing */
static int l_destroy(lua_State *L) {
  handle *h = check(L, 1);
  pml_channel *c = live(L, 1);
  if (c) pml_channels_destroy(pml_node_channels(h->lua->node), c);
  return 0;
}

/* channel:pushMessage(route, msg, opts, cb), or (msg, opts, cb) with msg.route */
static int l_push_message(lua_State *L) {
  handle *h = check(L, 1);
  return pml_lua_push_message(L, h->lua, h->id);
}

static const luaL_Reg channel_methods[] = {
  {"add", l_add},
  {"leave", l_leave},
  {"getMembers", l_get_members},
  {"getMember", l_get_member},
  {"getUserAmount", l_get_user_amount},
  {"destroy", l_destroy},
  {"pushMessage", l_push_message},
  {NULL, NULL},
};

void pml_open_channel(lua_State *L) {
  pml_lua_script_class(L, TNAME, "channel", channel_methods, l_index, l_tostring);
  lua_setfield(L, -2, "channel_methods");
}
