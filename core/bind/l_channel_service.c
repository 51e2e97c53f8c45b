#include "bind/l_channel_service.h"

#include "bind/l_channel.h"
#include "bind/node_methods.h"
#include "script/handle.h"
#include "script/json_number.h"
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
  lua_settop(L, 3);
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

static int get(lua_State *L, pml_lua *lua, pml_slice name, int create) {
  pml_channels *all = pml_node_channels(lua->node);
  pml_channel *c = create ? pml_channels_create(all, name) : pml_channels_find(all, name);
  if (!c && create)
    return luaL_error(L, "no room for another channel, or its name is above 65535 bytes");
  if (!c) lua_pushnil(L);
  else pml_lua_push_channel(L, lua, c);
  return 1;
}

/* channelService:createChannel(name) -> Channel: the one of that name, made when there is none */
static int l_create_channel(lua_State *L) {
  char number[PML_JSON_NUMBER_MAX];
  pml_lua *lua = check(L, "createChannel");
  return get(L, lua, name_at(L, "createChannel(name)", number), 1);
}

/* channelService:getChannel(name, create) -> Channel | nil */
static int l_get_channel(lua_State *L) {
  char number[PML_JSON_NUMBER_MAX];
  pml_lua *lua = check(L, "getChannel");
  return get(L, lua, name_at(L, "getChannel(name, create)", number), lua_toboolean(L, 3));
}

/* channelService:destroyChannel(name) */
static int l_destroy_channel(lua_State *L) {
  char number[PML_JSON_NUMBER_MAX];
  pml_channels *all = pml_node_channels(check(L, "destroyChannel")->node);
  pml_channel *c = pml_channels_find(all, name_at(L, "destroyChannel(name)", number));
  if (c) pml_channels_destroy(all, c);
  return 0;
}

/* Lua adds the pushes, whose callbacks are Lua's. */
static const luaL_Reg service_methods[] = {
  {"createChannel", l_create_channel},
  {"getChannel", l_get_channel},
  {"destroyChannel", l_destroy_channel},
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
  lua_rawgeti(L, LUA_REGISTRYINDEX, lua->env);
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
  if (pml_lua_class(L, TNAME, service_methods, NULL)) {
    pml_lua_index_by_name(L, "channelService", NULL);
    lua_pushcfunction(L, l_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_getfield(L, -1, "__methods");
  lua_setfield(L, -3, "channel_service_methods");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_nearest_name);
  lua_setfield(L, -2, "nearest_name");
}
