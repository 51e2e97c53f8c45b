/* A Channel holds an id, never a pointer: an id of a channel that was destroyed finds nothing, also
 * when a channel of the same name exists again. */
#include "bind/l_channel.h"

#include "base/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "node/push.h"
#include "script/handle.h"
#include "script/json.h"
#include "script/values.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

#include <math.h>
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
  lua_rawgeti(L, LUA_REGISTRYINDEX, lua->channels);
  lua_pushnumber(L, (lua_Number)pml_channel_id(c));
  lua_rawget(L, -2);
  if (lua_isnil(L, -1)) {
    pml_slice name = pml_channel_name(c);
    lua_pop(L, 1);
    handle *h = lua_newuserdata(L, sizeof *h);
    h->kind = &handle_kind;
    h->lua = lua;
    h->id = pml_channel_id(c);
    luaL_getmetatable(L, TNAME);
    lua_setmetatable(L, -2);
    /* The environment: the node, so that it outlives the handle, and the name, which outlives the
     * channel. */
    lua_createtable(L, 2, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, lua->env);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, (const char *)name.p, name.n);
    lua_rawseti(L, -2, 2);
    lua_setfenv(L, -2);
    lua_pushnumber(L, (lua_Number)h->id);
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

/* channel:add(uid, sid) -> boolean: false when destroyed or sid missing */
static int l_add(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_channel *c = live(L, 1);
  uid_at(L, 2, buf, &uid);
  const char *sid = sid_at(L, 3);
  lua_pushboolean(L, c && sid && pml_channel_add(c, uid, sid) >= 0);
  return 1;
}

/* channel:leave(uid, sid) -> boolean: whether it was a member */
static int l_leave(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_channel *c = live(L, 1);
  if (lua_isnoneornil(L, 2)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  uid_at(L, 2, buf, &uid);
  const char *sid = sid_at(L, 3);
  lua_pushboolean(L, c && sid && pml_channel_leave(c, uid, sid) == 1);
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

static const luaL_Reg channel_methods[] = {
  {"add", l_add},
  {"leave", l_leave},
  {"getMembers", l_get_members},
  {"getMember", l_get_member},
  {"getUserAmount", l_get_user_amount},
  {"destroy", l_destroy},
  {NULL, NULL},
};

/* core.channel_node(channel) -> the node that it belongs to */
static int l_channel_node(lua_State *L) {
  check(L, 1);
  lua_getfenv(L, 1);
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -1, 1);
  return 1;
}

/* --- node methods --------------------------------------------------------------- */

/* node:channel(name, create) -> Channel | nil */
static int l_channel(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *name = luaL_checklstring(L, 2, &n);
  pml_channels *t = pml_node_channels(lua->node);
  pml_channel *c = lua_toboolean(L, 3) ? pml_channels_create(t, pml_slice_of(name, n))
                                       : pml_channels_find(t, pml_slice_of(name, n));
  if (!c && lua_toboolean(L, 3))
    return luaL_error(L, "no room for another channel, or its name is above 65535 bytes");
  if (!c) return 0;
  pml_lua_push_channel(L, lua, c);
  return 1;
}

/* node:channelCount() -> number */
static int l_channel_count(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_channels_count(pml_node_channels(pml_lua_check(L)->node)));
  return 1;
}

/* Encodes a PUSH with the route at `route` and the message at `msg` into a frame. NULL: nil,
 * message and NAME are pushed. */
static pml_buf *push_frame(lua_State *L, int route, int msg) {
  char err[256];
  size_t n;
  const char *r = luaL_checklstring(L, route, &n);
  pml_message_view m = {.type = PML_MSG_PUSH, .route = pml_slice_of(r, n)};
  pml_writer w = {0};
  pml_frame_begin(&w);
  if (pml_message_write_head(&w, &m) != 0) {
    pml_writer_drop(&w);
    pml_lua_fail(L, PML_ETOOBIG, "route maxlength is overflow");
    return NULL;
  }
  if (pml_json_write(L, msg, &w, "msg", err, sizeof err) != 0) {
    pml_writer_drop(&w);
    pml_lua_fail_name(L, "ENCODE", err);
    return NULL;
  }
  pml_buf *frame = pml_frame_end(&w, PML_PKG_DATA);
  if (!frame) pml_lua_fail(L, PML_ETOOBIG, "the message is above 16 MiB");
  return frame;
}

static uint32_t ms_at(lua_State *L, int idx) {
  lua_Number ms = luaL_checknumber(L, idx);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, idx, "milliseconds");
  return (uint32_t)ceil(ms); /* 0 would mean: without an acknowledgement */
}

static int push_result(lua_State *L, int rc, pml_id push) {
  if (rc) return pml_lua_fail(L, rc, "too many pushes wait for their acknowledgement");
  if (push) lua_pushnumber(L, (lua_Number)push);
  else lua_pushboolean(L, 1);
  return 1;
}

/* What every push takes from Lua, released by push_done. */
typedef struct {
  pml_buf *frame, *except;
} parcel;

/* The other arguments are checked before, so that nothing is held when one raises. 0, or
 * 3 values of an error are pushed. */
static int parcel_take(lua_State *L, int route, int msg, int except, parcel *p) {
  pml_writer w = {0};
  if (pml_lua_uids(L, except, &w) != 0) {
    pml_writer_drop(&w);
    luaL_argerror(L, except, "except is an array of uids");
  }
  p->except = pml_writer_finish(&w);
  p->frame = push_frame(L, route, msg);
  if (p->frame) return 0;
  pml_buf_unref(p->except);
  return 3;
}

static void parcel_drop(parcel *p) {
  pml_buf_unref(p->frame);
  pml_buf_unref(p->except);
}

/* node:pushChannel(channel, route, msg, except | nil, ms) -> push | true | nil, message, NAME */
static int l_push_channel(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  parcel p;
  pml_id push;
  pml_channel *c = live(L, 2);
  luaL_argcheck(L, check(L, 2)->lua == lua, 2, "a channel of this node");
  luaL_checkstring(L, 3);
  uint32_t ms = ms_at(L, 6);
  if (!c) return pml_lua_fail(L, PML_ECLOSED, "channel is not running now");
  int bad = parcel_take(L, 3, 4, 5, &p);
  if (bad) return bad;
  c = live(L, 2); /* a toJSON of the message may have destroyed it */
  if (!c) {
    parcel_drop(&p);
    return pml_lua_fail(L, PML_ECLOSED, "channel is not running now");
  }
  int rc = pml_push_channel(lua->node, c, p.frame, pml_buf_slice(p.except), ms, &push);
  parcel_drop(&p);
  return push_result(L, rc, push);
}

/* Reads {{uid=, sid=}, …} at idx. The numbers' texts lie in *texts. Entries must be whole: Lua
 * checked them. */
static pml_push_target *targets_at(lua_State *L, int idx, size_t n,
                                   char (*texts)[PML_NUMBER_TEXT]) {
  pml_push_target *to = pml_alloc0((n + 1) * sizeof *to);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, idx, (int)i + 1);
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushliteral(L, "sid");
      lua_rawget(L, -2);
      lua_pushliteral(L, "uid");
      lua_rawget(L, -3);
      to[i].sid = lua_type(L, -2) == LUA_TSTRING ? pml_lua_name(L, -2) : NULL;
      if (pml_lua_uid(L, -1, texts[i], &to[i].uid) != 0) to[i].sid = NULL;
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
    if (!to[i].sid) {
      pml_free(to);
      return NULL;
    }
  }
  return to;
}

/* node:pushUids(route, msg, {{uid=, sid=}, …}, except | nil, ms) -> push | true | nil, message,
 * NAME */
static int l_push_uids(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  parcel p;
  pml_id push;
  luaL_checkstring(L, 2);
  luaL_checktype(L, 4, LUA_TTABLE);
  uint32_t ms = ms_at(L, 6);
  size_t n = lua_objlen(L, 4);
  int bad = parcel_take(L, 2, 3, 5, &p);
  if (bad) return bad;
  char(*texts)[PML_NUMBER_TEXT] = pml_alloc((n + 1) * sizeof *texts);
  pml_push_target *to = targets_at(L, 4, n, texts);
  int rc =
    to ? pml_push_uids(lua->node, to, n, p.frame, pml_buf_slice(p.except), ms, &push) : PML_EINVAL;
  pml_free(to);
  pml_free(texts);
  parcel_drop(&p);
  if (rc == PML_EINVAL) return pml_lua_fail(L, rc, "uids is an array of {uid=, sid=}");
  return push_result(L, rc, push);
}

/* node:broadcast(stype, sids, route, msg, binded, filterParamJson | nil, except | nil, ms) -> push
 * | true | nil, message, NAME */
static int l_broadcast(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  parcel p;
  pml_id push;
  size_t nparam = 0;
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checkstring(L, 4);
  const char *param = luaL_optlstring(L, 7, NULL, &nparam);
  uint32_t ms = ms_at(L, 9);
  size_t n = lua_objlen(L, 3);
  lua_settop(L, 9);
  lua_createtable(L, (int)n, 0); /* keeps the ids alive, whatever a filter does to theirs */
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, 3, (int)i);
    if (lua_type(L, -1) != LUA_TSTRING) return luaL_argerror(L, 3, "an array of server ids");
    lua_rawseti(L, 10, (int)i);
  }
  int bad = parcel_take(L, 4, 5, 8, &p);
  if (bad) return bad;
  const char **sids = pml_alloc((n + 1) * sizeof *sids);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 10, (int)i + 1);
    sids[i] = pml_lua_name(L, -1);
    lua_pop(L, 1);
  }
  pml_push_broadcast_to to = {
    .sids = sids,
    .count = n,
    .binded = lua_toboolean(L, 6),
    .filtered = 1, /* the frontends know whether there is a filter */
    .param = pml_slice_of(param, nparam),
    .except = pml_buf_slice(p.except),
  };
  lua_State *before = pml_lua_enter(lua, L); /* a filter of this server runs inside this call */
  int rc = pml_push_broadcast(lua->node, &to, p.frame, ms, &push);
  pml_lua_leave(lua, before);
  pml_free(sids);
  parcel_drop(&p);
  return push_result(L, rc, push);
}

const luaL_Reg pml_channel_methods[] = {
  {"channel", l_channel},    {"channelCount", l_channel_count}, {"pushChannel", l_push_channel},
  {"pushUids", l_push_uids}, {"broadcast", l_broadcast},        {NULL, NULL},
};

void pml_open_channel(lua_State *L) {
  if (pml_lua_class(L, TNAME, channel_methods, NULL)) {
    pml_lua_index_by_name(L, "channel", l_index);
    lua_pushcfunction(L, l_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_getfield(L, -1, "__methods");
  lua_setfield(L, -3, "channel_methods");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_channel_node);
  lua_setfield(L, -2, "channel_node");
}
