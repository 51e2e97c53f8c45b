#include "bind/l_cluster_channel.h"

#include "base/err.h"
#include "bind/l_push.h"
#include "bind/node_methods.h"
#include "node/cluster.h"
#include "node/cluster_members.h"
#include "script/json.h"
#include "script/values.h"
#include "wire/utf8.h"

#include <string.h>

#define TNAME "pomelua.clusterChannel"

typedef struct {
  const void *kind;
  pml_lua *lua; /* kept alive by the userdata's environment */
} handle;

static const char handle_kind;

static handle *check(lua_State *L, int idx) {
  return pml_lua_object(L, idx, sizeof(handle), &handle_kind, TNAME);
}

/* Pushes the name of the handle at index 1, which keeps it alive. */
static pml_slice push_name(lua_State *L) {
  size_t n;
  lua_getfenv(L, 1);
  lua_rawgeti(L, -1, 2);
  lua_remove(L, -2);
  const char *s = lua_tolstring(L, -1, &n);
  return pml_slice_of(s, n);
}

/* Names travel as JSON, too. */
static void check_name(lua_State *L, pml_lua *lua, const char *call, pml_slice name) {
  uint32_t most = pml_node_config(lua->node)->cluster_name;
  if (name.n > most)
    luaL_error(L,
               "channelService:%s: the name of a cluster channel has at most %d bytes "
               "(channelConfig.clusterNameSize), got %d",
               call, (int)most, (int)name.n);
  if (!pml_utf8_valid(name.p, name.n))
    luaL_error(L, "channelService:%s: the name of a cluster channel must be UTF-8", call);
}

/* The handles of local channels stand in the same weak table under their ids, which are numbers. */
void pml_lua_push_cluster_channel(lua_State *L, pml_lua *lua, const char *call, pml_slice name) {
  check_name(L, lua, call, name);
  pml_cluster_use(lua->node);
  pml_anchor_push(L, &lua->channels);
  lua_pushlstring(L, (const char *)name.p, name.n);
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    handle *h = lua_newuserdata(L, sizeof *h);
    *h = (handle){&handle_kind, lua};
    luaL_getmetatable(L, TNAME);
    lua_setmetatable(L, -2);
    lua_createtable(L, 2, 0); /* as that of a Channel */
    pml_anchor_push(L, &lua->env);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, (const char *)name.p, name.n);
    lua_rawseti(L, -2, 2);
    lua_setfenv(L, -2);
    lua_pushlstring(L, (const char *)name.p, name.n);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* channel.name -> string, channel.scope -> "cluster"; any other key: a method or nil */
static int l_index(lua_State *L) {
  check(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "name") == 0) {
    push_name(L);
    return 1;
  }
  if (strcmp(key, "scope") == 0) {
    lua_pushliteral(L, "cluster");
    return 1;
  }
  return pml_lua_index(L);
}

/* tostring(channel) -> "Channel <name> (cluster)" */
static int l_tostring(lua_State *L) {
  check(L, 1);
  push_name(L);
  lua_pushfstring(L, "Channel %s (cluster)", lua_tostring(L, -1));
  return 1;
}

/* channel:pushMessage(route, msg, opts, cb), or (msg, opts, cb) with msg.route */
static int l_push_message(lua_State *L) {
  handle *h = check(L, 1);
  pml_slice name = push_name(L);
  lua_pop(L, 1);
  return pml_lua_push_cluster(L, h->lua, name);
}

/* core.cluster_channel(value) -> what node:clusterOwner was given, name | nil: it is no channel of
 * this class. Raises when its node is closed. */
static int l_cluster_channel(lua_State *L) {
  const handle *h = lua_touserdata(L, 1);
  if (!h || lua_objlen(L, 1) != sizeof *h || h->kind != &handle_kind) return 0;
  if (!h->lua->node) return luaL_error(L, "this node is closed");
  pml_anchor_push(L, &h->lua->env);
  lua_rawgeti(L, -1, 3);
  push_name(L);
  return 2;
}

/* --- what the Lua half asks of the node ------------------------------------------- */

/* node:clusterOwner(object): what core.cluster_channel gives for channels of this node */
static int l_owner(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_settop(L, 2);
  pml_anchor_push(L, &lua->env);
  lua_insert(L, 2);
  lua_rawseti(L, 2, 3);
  return 0;
}

static pml_slice name_at(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 2, &n);
  return pml_slice_of(s, n);
}

static void uid_at(lua_State *L, int idx, char buf[PML_NUMBER_TEXT], pml_uid *uid) {
  if (pml_lua_uid(L, idx, buf, uid) != 0) luaL_argerror(L, idx, "a uid");
}

static pml_id session_at(lua_State *L, int idx) {
  return lua_isnoneornil(L, idx) ? 0 : pml_lua_id(L, idx);
}

/* Why a session has not joined. */
static const char *why_not(int rc, pml_id session) {
  switch (rc) {
  case PML_EFULL:
    return "too many cluster channels have members at this frontend "
           "(channelConfig.clusterChannels)";
  case PML_ETOOBIG:
    return "the session is in too many cluster channels (channelConfig.clusterPerSession)";
  case PML_EINVAL: return "the name is longer than channelConfig.clusterNameSize of this frontend";
  default:
    return session ? "there is no such session, or its uid is another"
                   : "no session of this uid is here";
  }
}

/* node:clusterJoin(name, uid, session | nil) -> how many sessions were no members before | nil,
 * message, "NOENT" | "FULL" | "TOOBIG" | "INVAL": the session, or all of the uid's at this frontend
 */
static int l_join(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_lua *lua = pml_lua_check(L);
  pml_slice name = name_at(L);
  pml_cluster_who who = {.session = session_at(L, 4)};
  size_t joined;
  uid_at(L, 3, buf, &who.uid);
  int rc = pml_cluster_join(lua->node, name, &who, &joined);
  if (rc) return pml_lua_fail(L, rc, why_not(rc, who.session));
  lua_pushnumber(L, (lua_Number)joined);
  return 1;
}

/* node:clusterLeave(name, uid | nil, session | nil) -> how many sessions were members: the session,
 * all of the uid's, or, without both, everybody's */
static int l_leave(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_lua *lua = pml_lua_check(L);
  pml_slice name = name_at(L);
  pml_cluster_who who = {.session = session_at(L, 4)};
  if (!lua_isnoneornil(L, 3)) uid_at(L, 3, buf, &who.uid);
  lua_pushnumber(L, (lua_Number)pml_cluster_leave(lua->node, name, &who));
  return 1;
}

/* node:clusterMembers(name) -> {uid, …} of the members at this frontend, each once */
static int l_members(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_writer w = {0};
  pml_slice name = name_at(L);
  pml_cluster_members_here(lua->node, name, &w);
  pml_buf *list = pml_writer_finish(&w);
  pml_lua_push_uids(L, pml_buf_slice(list));
  pml_buf_unref(list);
  return 1;
}

/* node:clusterCount(name) -> how many users are members at this frontend */
static int l_count(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_pushnumber(L, (lua_Number)pml_cluster_members_here(lua->node, name_at(L), NULL));
  return 1;
}

/* node:clusterMember(name, uid) -> the uid as the member at this frontend has it | nil */
static int l_member(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid, as;
  pml_lua *lua = pml_lua_check(L);
  uid_at(L, 3, buf, &uid);
  if (!pml_cluster_member_here(lua->node, name_at(L), uid, &as)) return 0;
  pml_lua_push_uid(L, as);
  return 1;
}

typedef struct {
  lua_State *L; /* the array is at its top */
  int n;
} ids;

static void add_id(const char *id, void *ud) {
  ids *all = ud;
  lua_pushstring(all->L, id);
  lua_rawseti(all->L, -2, ++all->n);
}

/* node:clusterPlaces(name) -> {id, …} of the other frontends that have, or may have, members */
static int l_places(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_slice name = name_at(L);
  lua_newtable(L);
  pml_cluster_each(lua->node, name, add_id, &(ids){L, 0});
  return 1;
}

const luaL_Reg pml_cluster_channel_methods[] = {
  {"clusterOwner", l_owner},   {"clusterJoin", l_join},
  {"clusterLeave", l_leave},   {"clusterMembers", l_members},
  {"clusterCount", l_count},   {"clusterMember", l_member},
  {"clusterPlaces", l_places}, {NULL, NULL},
};

static const luaL_Reg channel_methods[] = {{"pushMessage", l_push_message}, {NULL, NULL}};

void pml_open_cluster_channel(lua_State *L) {
  pml_lua_script_class(L, TNAME, "channel", channel_methods, l_index, l_tostring);
  lua_setfield(L, -2, "cluster_channel_methods");
  lua_pushcfunction(L, l_cluster_channel);
  lua_setfield(L, -2, "cluster_channel");
}
