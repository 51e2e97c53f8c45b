/* l_membership: what the Lua half of channels asks of the node: who hears of changes, members that
 * leave without a script's word, and channels that come from a store. */
#include "base/err.h"
#include "bind/l_channel.h"
#include "bind/node_methods.h"
#include "script/values.h"

/* node:watchChannels(told, removeEmpty): told: entries.member is called from here on, for the
 * channels that are there first; removeEmpty: channels whose last member has left are destroyed */
static int l_watch_channels(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_node_watch_channels(lua->node, lua_toboolean(L, 2), lua_toboolean(L, 3));
  return 0;
}

/* node:channelHandle(id, name) -> Channel, also of one that is gone */
static int l_channel_handle(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *name = luaL_checklstring(L, 3, &n);
  pml_lua_push_channel_of(L, lua, pml_lua_id(L, 2), pml_slice_of(name, n));
  return 1;
}

static pml_channel *channel_at(lua_State *L, const pml_lua *lua, int idx) {
  return pml_channels_get(pml_node_channels(lua->node), pml_lua_id(L, idx));
}

static void uid_at(lua_State *L, int idx, char buf[PML_NUMBER_TEXT], pml_uid *uid) {
  if (pml_lua_uid(L, idx, buf, uid) != 0) luaL_argerror(L, idx, "a uid");
}

/* node:leaveChannel(id, uid, sid, reason) -> whether it was a member; reason: "closed", "server" or
 * "absent" */
static int l_leave_channel(lua_State *L) {
  static const char *const names[] = {"closed", "server", "absent", NULL};
  static const pml_left reasons[] = {PML_LEFT_CLOSED, PML_LEFT_SERVER, PML_LEFT_ABSENT};
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_lua *lua = pml_lua_check(L);
  pml_channel *c = channel_at(L, lua, 2);
  uid_at(L, 3, buf, &uid);
  const char *sid = pml_lua_name(L, 4);
  pml_left why = reasons[luaL_checkoption(L, 5, NULL, names)];
  lua_pushboolean(L, c && pml_channel_leave(c, uid, sid, why) == 1);
  return 1;
}

/* node:afterChanges(number): entries.member is told "after" and the number, behind all changes so
 * far */
static int l_after_changes(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_node_member_after(lua->node, pml_lua_id(L, 2));
  return 0;
}

/* node:markChannel(id): the next push to it is told to entries.member as "pushed" */
static int l_mark_channel(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_channel *c = channel_at(L, lua, 2);
  if (c) pml_channel_mark(c, 1);
  return 0;
}

/* node:restoreChannel(name, {uid, sid, uid, sid, …}) -> whether there was room: made and filled,
 * which entries.member is told as restored; the channel has a mark */
static int l_restore_channel(lua_State *L) {
  char buf[PML_NUMBER_TEXT];
  pml_uid uid;
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *name = luaL_checklstring(L, 2, &n);
  luaL_checktype(L, 3, LUA_TTABLE);
  int count = (int)lua_objlen(L, 3);
  for (int i = 1; i < count; i += 2) { /* nothing raises once restoring has begun */
    lua_rawgeti(L, 3, i);
    lua_rawgeti(L, 3, i + 1);
    uid_at(L, 4, buf, &uid);
    pml_lua_name(L, 5);
    lua_settop(L, 3);
  }
  pml_node_restoring(lua->node, 1);
  pml_channel *c = pml_channels_create(pml_node_channels(lua->node), pml_slice_of(name, n));
  for (int i = 1; c && i < count; i += 2) {
    lua_rawgeti(L, 3, i);
    lua_rawgeti(L, 3, i + 1);
    if (pml_lua_uid(L, 4, buf, &uid) == 0) pml_channel_add(c, uid, lua_tostring(L, 5));
    lua_settop(L, 3);
  }
  pml_node_restoring(lua->node, 0);
  if (c) pml_channel_mark(c, count > 1);
  lua_pushboolean(L, c != NULL);
  return 1;
}

const luaL_Reg pml_membership_methods[] = {
  {"watchChannels", l_watch_channels},
  {"channelHandle", l_channel_handle},
  {"leaveChannel", l_leave_channel},
  {"markChannel", l_mark_channel},
  {"afterChanges", l_after_changes},
  {"restoreChannel", l_restore_channel},
  {NULL, NULL},
};
