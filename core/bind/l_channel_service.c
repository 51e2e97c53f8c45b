#include "bind/l_channel_service.h"

#include "base/json_number.h"
#include "bind/l_channel.h"
#include "bind/l_cluster_channel.h"
#include "bind/l_push.h"
#include "bind/node_methods.h"
#include "script/handle.h"
#include "script/json.h"
#include "script/values.h"

#include <math.h>
#include <string.h>

#define TNAME "pomelua.channelService"

typedef struct {
  const void *kind;
  pml_lua *lua; /* kept alive by the userdata's environment */
} service;

static const char service_kind;

/* Raises, at the line of the game, when a method was called with a dot. */
static void wrong_self(lua_State *L, const char *method) {
  const char *stands = lua_isnoneornil(L, 1) ? "nothing"
                       : lua_type(L, 1) == LUA_TSTRING
                         ? lua_pushfstring(L, "\"%s\"", lua_tostring(L, 1))
                         : lua_pushfstring(L, "a %s", luaL_typename(L, 1));
  luaL_error(
    L, "channelService.%s: write channelService:%s(...) with a colon; the first argument is %s",
    method, method, stands);
}

static pml_lua *check(lua_State *L, const char *method) {
  const service *s = lua_touserdata(L, 1);
  if (!s || lua_objlen(L, 1) != sizeof *s || s->kind != &service_kind) wrong_self(L, method);
  if (!s->lua->node) luaL_error(L, "this node is closed");
  return s->lua;
}

/* The name of a channel at index 2, which may be a number; raises on others. */
static pml_slice name_at(lua_State *L, const char *call, char number[PML_JSON_NUMBER_MAX]) {
  size_t n;
  lua_settop(L, 4);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    double d = lua_tonumber(L, 2);
    if (d == floor(d) && fabs(d) < PML_LUA_WHOLE)
      return pml_slice_of(number, (size_t)pml_json_number(d, number));
  } else if (lua_type(L, 2) != LUA_TSTRING || !lua_objlen(L, 2)) {
    luaL_error(L, "channelService:%s: the name must be a string, got %s", call,
               lua_type(L, 2) == LUA_TSTRING ? "an empty one" : luaL_typename(L, 2));
  }
  const char *s = lua_tolstring(L, 2, &n);
  return pml_slice_of(s, n);
}

/* Raises when the options at idx, {scope=}, have another key. */
static void check_keys(lua_State *L, const char *call, int idx) {
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    lua_pop(L, 1);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!key || strcmp(key, "scope") != 0)
      luaL_error(L,
                 "channelService:%s: opts has no key %s; there is scope, \"local\" or \"cluster\"",
                 call, key ? key : luaL_typename(L, -1));
  }
}

/* Whether the options at idx want a cluster channel; raises when they are wrong. */
static int is_cluster(lua_State *L, const char *call, int idx) {
  if (lua_isnoneornil(L, idx)) return 0;
  if (lua_type(L, idx) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, idx)) return 0;
  if (!lua_istable(L, idx))
    luaL_error(L, "channelService:%s: opts must be a table, got %s", call, luaL_typename(L, idx));
  check_keys(L, call, idx);
  lua_pushliteral(L, "scope");
  lua_rawget(L, idx);
  const char *scope = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  int cluster = strcmp(scope, "cluster") == 0;
  if (!cluster && strcmp(scope, "local") != 0 && !lua_isnil(L, -1))
    luaL_error(L, "channelService:%s: opts.scope must be \"local\" or \"cluster\", got %s", call,
               *scope ? scope : luaL_typename(L, -1));
  lua_pop(L, 1);
  return cluster;
}

/* Whether options stand where none belong. */
static int is_options(lua_State *L, int idx) {
  if (!lua_istable(L, idx)) return 0;
  lua_pushliteral(L, "scope");
  lua_rawget(L, idx);
  int found = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return found;
}

/* A method that has no answer for cluster channels: instead says what to write. */
static void refuse_cluster(lua_State *L, const char *call, int idx, const char *instead) {
  if (lua_istable(L, idx) && is_cluster(L, call, idx))
    luaL_error(L, "channelService:%s is about local channels; %s", call, instead);
}

static int get_cluster(lua_State *L, pml_lua *lua, const char *call, pml_slice name) {
  pml_lua_push_cluster_channel(L, lua, call, name);
  return 1;
}

static int get(lua_State *L, pml_lua *lua, pml_slice name, int create) {
  pml_channels *all = pml_node_channels(lua->node);
  pml_channel *c = create ? pml_channels_create(all, name) : pml_channels_find(all, name);
  if (!c && create)
    return luaL_error(L, "no room for another channel, or its name is above 65535 bytes");
  if (!c) lua_pushnil(L);
  else pml_lua_push_channel(L, lua, c);
  return 1;
}

/* channelService:createChannel(name, {scope=}) -> Channel: the one of that name, made when there is
 * none */
static int l_create_channel(lua_State *L) {
  static const char call[] = "createChannel(name, opts)";
  char number[PML_JSON_NUMBER_MAX];
  pml_lua *lua = check(L, "createChannel");
  pml_slice name = name_at(L, "createChannel(name)", number);
  return is_cluster(L, call, 3) ? get_cluster(L, lua, call, name) : get(L, lua, name, 1);
}

/* channelService:getChannel(name, create, {scope=}) -> Channel | nil; a cluster channel is always
 * there */
static int l_get_channel(lua_State *L) {
  static const char call[] = "getChannel(name, create, opts)";
  char number[PML_JSON_NUMBER_MAX];
  pml_lua *lua = check(L, "getChannel");
  pml_slice name = name_at(L, "getChannel(name, create)", number);
  if (is_options(L, 3))
    return luaL_error(L, "channelService:%s: opts is the third argument, behind create", call);
  if (is_cluster(L, call, 4)) return get_cluster(L, lua, call, name);
  return get(L, lua, name, lua_toboolean(L, 3));
}

/* channelService:destroyChannel(name) */
static int l_destroy_channel(lua_State *L) {
  char number[PML_JSON_NUMBER_MAX];
  pml_channels *all = pml_node_channels(check(L, "destroyChannel")->node);
  pml_slice name = name_at(L, "destroyChannel(name)", number);
  refuse_cluster(
    L, "destroyChannel(name)", 3,
    "getChannel(name, true, { scope = \"cluster\" }):destroy() ends a cluster channel");
  pml_channel *c = pml_channels_find(all, name);
  if (c) pml_channels_destroy(all, c);
  return 0;
}

typedef struct {
  lua_State *L; /* the array is at its top */
  int n;
} names;

static void add_name(pml_channel *c, void *ud) {
  names *all = ud;
  pml_slice name = pml_channel_name(c);
  lua_pushlstring(all->L, (const char *)name.p, name.n);
  lua_rawseti(all->L, -2, ++all->n);
}

static void push_array(lua_State *L) {
  lua_newtable(L);
  luaL_getmetatable(L, PML_JSON_ARRAY);
  lua_setmetatable(L, -2);
}

static void uid_at(lua_State *L, const char *call, char buf[PML_NUMBER_TEXT], pml_uid *uid) {
  if (pml_lua_uid(L, 2, buf, uid) != 0)
    luaL_error(L, "channelService:%s: a uid is a string of at most 4096 bytes or a number, got %s",
               call, luaL_typename(L, 2));
}

/* channelService:channelsOf(uid) -> {name, …}: the channels that it is a member of, in no order */
static int l_channels_of(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_lua *lua = check(L, "channelsOf");
  refuse_cluster(L, "channelsOf(uid)", 3,
                 "nobody keeps a list of the cluster channels of a user: ask one with getMember");
  uid_at(L, "channelsOf(uid)", buf, &uid);
  push_array(L);
  pml_channels_of(pml_node_channels(lua->node), uid, add_name, &(names){L, 0});
  return 1;
}

/* channelService:getChannelNames() -> {name, …} in the order in which they were made */
static int l_get_channel_names(lua_State *L) {
  pml_lua *lua = check(L, "getChannelNames");
  refuse_cluster(L, "getChannelNames()", 2, "no server knows the names of all cluster channels");
  push_array(L);
  pml_channels_each(pml_node_channels(lua->node), add_name, &(names){L, 0});
  return 1;
}

/* channelService:leaveAll(uid) -> of how many channels it was a member, behind each frontend */
static int l_leave_all(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_lua *lua = check(L, "leaveAll");
  refuse_cluster(L, "leaveAll(uid)", 3,
                 "a session leaves its cluster channels when it ends, and by channel:leave before");
  uid_at(L, "leaveAll(uid)", buf, &uid);
  lua_pushnumber(L,
                 (lua_Number)pml_channels_leave(pml_node_channels(lua->node), uid, PML_LEFT_ASKED));
  return 1;
}

/* channelService:pushMessageByUids(route, msg, uids, opts, cb), or (msg, uids, opts, cb) */
static int l_push_by_uids(lua_State *L) {
  return pml_lua_push_by_uids(L, check(L, "pushMessageByUids"));
}

/* channelService:broadcast(stype, route, msg, opts, cb), or (stype, msg, opts, cb) */
static int l_broadcast(lua_State *L) { return pml_lua_broadcast(L, check(L, "broadcast")); }

static const luaL_Reg service_methods[] = {
  {"createChannel", l_create_channel},
  {"getChannel", l_get_channel},
  {"destroyChannel", l_destroy_channel},
  {"channelsOf", l_channels_of},
  {"getChannelNames", l_get_channel_names},
  {"leaveAll", l_leave_all},
  {"pushMessageByUids", l_push_by_uids},
  {"broadcast", l_broadcast},
  {NULL, NULL},
};

/* tostring(channelService) -> "ChannelService (<server id>)" */
static int l_tostring(lua_State *L) {
  const service *s = pml_lua_object(L, 1, sizeof *s, &service_kind, TNAME);
  lua_pushfstring(L, "ChannelService (%s)", s->lua->node ? pml_node_id(s->lua->node) : "closed");
  return 1;
}

/* node:channelService() -> a new one */
static int l_channel_service(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  service *s = lua_newuserdata(L, sizeof *s);
  *s = (service){&service_kind, lua};
  luaL_getmetatable(L, TNAME);
  lua_setmetatable(L, -2);
  pml_anchor_push(L, &lua->env);
  lua_setfenv(L, -2);
  return 1;
}

const luaL_Reg pml_channel_service_methods[] = {{"channelService", l_channel_service},
                                                {NULL, NULL}};

/* core.nearest_name(fn): fn(name, methods) -> the nearest name of a method | nil */
static int l_nearest_name(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, PML_LUA_NEAREST);
  return 0;
}

void pml_open_channel_service(lua_State *L) {
  pml_lua_script_class(L, TNAME, "channelService", service_methods, NULL, l_tostring);
  lua_setfield(L, -2, "channel_service_methods");
  lua_pushcfunction(L, l_nearest_name);
  lua_setfield(L, -2, "nearest_name");
}
