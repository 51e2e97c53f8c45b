#include "bind/l_redis_listener.h"

#include "base/container.h"
#include "base/err.h"
#include "bind/l_store_redis.h"
#include "script/call.h"
#include "script/handle.h"
#include "script/script_call.h"
#include "script/values.h"
#include "script/waiter.h"
#include "store/redis_listener.h"

#define TNAME "pomelua.redisListener"

/* Ends with its server's handle, whether or not Lua has collected it. */
typedef struct {
  pml_waiter waiter; /* with the function that hears the news */
  pml_redis_listener *of;
  void **slot; /* the userdata */
} listener;

typedef struct {
  pml_redis_news what;
  pml_slice channel, text;
} news;

static listener *check(lua_State *L) {
  listener **s = luaL_checkudata(L, 1, TNAME);
  if (!*s) luaL_error(L, "the listener is closed");
  return *s;
}

static void cancel(pml_waiter *w) {
  listener *l = PML_CONTAINER(w, listener, waiter);
  if (l->of) pml_redis_listener_close(l->of);
  l->of = NULL;
  if (l->slot) *l->slot = NULL;
}

/* listener:close(): harmless when it is closed */
static int l_close(lua_State *L) {
  listener *l = *(listener **)luaL_checkudata(L, 1, TNAME);
  if (!l) return 0;
  cancel(&l->waiter);
  pml_waiter_free(&l->waiter);
  return 0;
}

static int push_news(lua_State *L, const void *args) {
  static const char *const names[] = {"message", "missed", "refused", "lost"};
  const news *n = args;
  lua_pushstring(L, names[n->what]);
  lua_pushlstring(L, n->channel.n ? (const char *)n->channel.p : "", n->channel.n);
  lua_pushlstring(L, n->text.n ? (const char *)n->text.p : "", n->text.n);
  return 3;
}

static void on_news(pml_redis_news what, pml_slice channel, pml_slice text, void *ud) {
  listener *l = ud;
  const news n = {what, channel, text};
  pml_lua *lua = l->waiter.lua;
  const pml_lua_deferred d = {&l->waiter.fn, 0, push_news, &n};
  pml_lua_defer(lua->L, &d);
  pml_script_call(lua, "subscription of redis", channel, 1, 0);
}

static pml_slice channel_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

/* listener:add(channel) -> true | nil, message, NAME */
static int l_add(lua_State *L) {
  listener *l = check(L);
  int rc = pml_redis_listener_add(l->of, channel_at(L, 2));
  if (rc == PML_EFULL) return pml_lua_fail(L, rc, "too many channels: 1024 are subscribed to");
  if (rc == PML_EINVAL) return pml_lua_fail(L, rc, "the name of a channel has 1 to 512 bytes");
  if (rc) return pml_lua_fail(L, rc, "the channel is subscribed to");
  lua_pushboolean(L, 1);
  return 1;
}

/* listener:remove(channel) */
static int l_remove(lua_State *L) {
  pml_redis_listener_remove(check(L)->of, channel_at(L, 2));
  return 0;
}

/* listener:isUp() -> whether it is connected, and all its channels are subscribed to */
static int l_is_up(lua_State *L) {
  lua_pushboolean(L, pml_redis_listener_is_up(check(L)->of));
  return 1;
}

static const luaL_Reg methods[] = {
  {"add", l_add}, {"remove", l_remove}, {"isUp", l_is_up}, {"close", l_close}, {NULL, NULL},
};

/* core.redisListener(node, options, fn) -> listener | nil, message, NAME. options: as of a store of
 * kind redis, and bytes, of one message. fn(what, channel, text): what is "message"; "missed": it
 * was subscribed to again after a loss; "refused", by the server: it is forgotten; or "lost", the
 * connection, without a channel: the text says why. */
static int l_redis_listener(lua_State *L) {
  char err[512];
  pml_redis_options o;
  pml_store_limits limits = PML_STORE_LIMITS;
  pml_lua *lua = pml_lua_check(L);
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_getfield(L, 2, "bytes");
  if (lua_isnumber(L, -1)) limits.max_bytes = (size_t)lua_tonumber(L, -1);
  pml_lua_redis_options(L, 2, &o);
  listener **slot = lua_newuserdata(L, sizeof *slot);
  *slot = NULL;
  pml_lua_class(L, TNAME, methods, l_close);
  lua_setmetatable(L, -2);
  listener *l = pml_waiter_new(L, lua, 3, sizeof *l, cancel);
  l->of =
    pml_redis_listener_open(pml_node_loop(lua->node), &o, &limits, on_news, l, err, sizeof err);
  if (!l->of) {
    pml_waiter_free(&l->waiter);
    return pml_lua_fail(L, PML_ENOENT, err);
  }
  l->slot = (void **)slot;
  *slot = l;
  return 1;
}

void pml_open_redis_listener(lua_State *L) {
  lua_pushcfunction(L, l_redis_listener);
  lua_setfield(L, -2, "redisListener");
}
