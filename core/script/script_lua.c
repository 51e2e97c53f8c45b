#include "script/script_lua.h"

#include "base/err.h"
#include "script/script_call.h"
#include "script/values.h"

#include <string.h>

/* A filter may broadcast, which asks filters: each takes of the C stack. */
#define FILTERS_DEEP 16

static const char *const names[PML_ENTRIES] = {
  "message", "forwarded", "call",  "answered", "pushed", "handshake", "route",   "closed",
  "timer",   "filter",    "start", "started",  "stop",   "control",   "pending",
};

/* Pushes the entry; NULL when scripts did not set it, or call each other too deep. */
static lua_State *begin(void *ud, int which) {
  pml_lua *lua = ud;
  if (lua->entry[which] == LUA_NOREF) return NULL;
  if (!lua_checkstack(lua->L, 24)) {
    pml_log_some(pml_node_log(lua->node), PML_ERROR, "the Lua stack is full",
                 "%s: the Lua stack is full", names[which]);
    return NULL;
  }
  lua_rawgeti(lua->L, LUA_REGISTRYINDEX, lua->entry[which]);
  return lua->L;
}

/* detail: what the entry is called for, if the call never ends. */
static int call_for(void *ud, int which, pml_slice detail, int nargs, int nresults) {
  pml_lua *lua = ud;
  int rc = pml_script_call(lua, names[which], detail, nargs, nresults);
  if (which == PML_ON_START) pml_budget_least(lua->budget, 0);
  return rc;
}

static int call(void *ud, int which, int nargs, int nresults) {
  return call_for(ud, which, pml_slice_of(NULL, 0), nargs, nresults);
}

/* 0 stands for "none", which is nil in Lua. */
static void push_id(lua_State *L, pml_id id) {
  if (id) lua_pushnumber(L, (lua_Number)id);
  else lua_pushnil(L);
}

static void on_message(void *ud, pml_id request, const pml_session *s, const pml_message_view *m) {
  lua_State *L = begin(ud, PML_ON_MESSAGE);
  if (!L) return;
  push_id(L, request);
  lua_pushnumber(L, (lua_Number)s->id);
  pml_lua_push_uid(L, s->uid);
  pml_lua_push_slice(L, pml_buf_slice(s->settings));
  lua_pushinteger(L, m->type);
  lua_pushinteger(L, (lua_Integer)m->id);
  lua_pushlstring(L, (const char *)m->route.p, m->route.n);
  lua_pushlstring(L, (const char *)m->body.p, m->body.n);
  call_for(ud, PML_ON_MESSAGE, m->route, 8, 0);
}

static void on_forwarded(void *ud, pml_id request, const pml_envelope *env, pml_slice body) {
  lua_State *L = begin(ud, PML_ON_FORWARDED);
  if (!L) return;
  push_id(L, request);
  lua_pushlstring(L, (const char *)env->from.p, env->from.n);
  lua_pushnumber(L, (lua_Number)env->session);
  pml_lua_push_uid(L, env->uid);
  pml_lua_push_slice(L, env->settings);
  lua_pushinteger(L, env->msg_type);
  lua_pushinteger(L, (lua_Integer)env->msg_id);
  lua_pushlstring(L, (const char *)env->route.p, env->route.n);
  lua_pushlstring(L, (const char *)body.p, body.n);
  lua_pushnumber(L, (lua_Number)env->from_incarnation);
  call_for(ud, PML_ON_FORWARDED, env->route, 10, 0);
}

static void on_call(void *ud, pml_id id, const pml_envelope *env, pml_slice args) {
  lua_State *L = begin(ud, PML_ON_CALL);
  if (!L) return;
  push_id(L, id);
  lua_pushlstring(L, (const char *)env->from.p, env->from.n);
  lua_pushlstring(L, (const char *)env->route.p, env->route.n);
  lua_pushlstring(L, (const char *)args.p, args.n);
  lua_pushboolean(L, env->flags & PML_ENV_ASIDE);
  call_for(ud, PML_ON_CALL, env->route, 5, 0);
}

static void on_answered(void *ud, pml_id id, int status, pml_slice text) {
  lua_State *L = begin(ud, PML_ON_ANSWERED);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)id);
  lua_pushstring(L, status == 1 ? "ERROR" : pml_err_name(status));
  if (status >= 0) lua_pushlstring(L, (const char *)text.p, text.n);
  else if (status == PML_ETIMEOUT) lua_pushliteral(L, "no answer in time");
  else if (status == PML_ENOENT) lua_pushliteral(L, "the server is gone");
  else lua_pushliteral(L, "this server is stopping");
  call(ud, PML_ON_ANSWERED, 3, 0);
}

static void on_pushed(void *ud, pml_id push, const char *message, pml_slice fails) {
  lua_State *L = begin(ud, PML_ON_PUSHED);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)push);
  lua_pushstring(L, message); /* NULL pushes nil */
  pml_lua_push_uids(L, fails);
  call(ud, PML_ON_PUSHED, 3, 0);
}

static void on_handshake(void *ud, pml_id session, pml_slice body) {
  lua_State *L = begin(ud, PML_ON_HANDSHAKE);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)session);
  lua_pushlstring(L, (const char *)body.p, body.n);
  call(ud, PML_ON_HANDSHAKE, 2, 0);
}

static void on_route(void *ud, pml_id pending, pml_slice type, const pml_session *s,
                     const pml_message_view *m) {
  lua_State *L = begin(ud, PML_ON_ROUTE);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)pending);
  lua_pushlstring(L, (const char *)type.p, type.n);
  lua_pushnumber(L, (lua_Number)s->id);
  lua_pushinteger(L, m->type);
  lua_pushinteger(L, (lua_Integer)m->id);
  lua_pushlstring(L, (const char *)m->route.p, m->route.n);
  lua_pushlstring(L, (const char *)m->body.p, m->body.n);
  call_for(ud, PML_ON_ROUTE, m->route, 7, 0);
}

static void on_closed(void *ud, const pml_session *s, const pml_close_reason *why) {
  lua_State *L = begin(ud, PML_ON_CLOSED);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)s->id);
  pml_lua_push_uid(L, s->uid);
  pml_lua_push_slice(L, pml_buf_slice(s->settings));
  switch (why->kind) {
  case PML_CLOSE_TEXT: lua_pushlstring(L, (const char *)why->text.p, why->text.n); break;
  case PML_CLOSE_CODE: lua_pushinteger(L, why->code); break;
  case PML_CLOSE_FLAG: lua_pushboolean(L, why->code); break;
  default: lua_pushnil(L);
  }
  call(ud, PML_ON_CLOSED, 4, 0);
}

static void on_timer(void *ud, pml_id timer) {
  lua_State *L = begin(ud, PML_ON_TIMER);
  if (!L) return;
  lua_pushnumber(L, (lua_Number)timer);
  call(ud, PML_ON_TIMER, 1, 0);
}

/* A filter that fails keeps the session out, and the log says why: once for all, when
 * the script that broadcasts is being stopped. */
static int filter(void *ud, const pml_session *s, pml_slice message, pml_slice param) {
  if (pml_budget_over(((pml_lua *)ud)->budget)) return 0;
  pml_lua *lua = ud;
  if (lua->entry[PML_ON_FILTER] == LUA_NOREF) return 1;
  if (lua->filtering >= FILTERS_DEEP) {
    pml_log_some(pml_node_log(lua->node), PML_ERROR, "filters that broadcast",
                 "broadcastFilter: it calls broadcast, which calls the filter again without end");
    return 0;
  }
  lua_State *L = begin(ud, PML_ON_FILTER);
  if (!L) return 0;
  lua_pushnumber(L, (lua_Number)s->id);
  pml_lua_push_uid(L, s->uid);
  pml_lua_push_slice(L, pml_buf_slice(s->settings));
  lua_pushlstring(L, (const char *)message.p, message.n);
  pml_lua_push_slice(L, param);
  lua->filtering++;
  int rc = call(ud, PML_ON_FILTER, 5, 1);
  lua->filtering--;
  if (rc) return 0;
  int keep = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return keep;
}

/* The program waits until a server has started, stopped or answered. When the scripts will not
 * report that, these functions do. */
static void start(void *ud) {
  pml_lua *lua = ud;
  if (!begin(ud, PML_ON_START)) {
    if (lua->member) pml_member_listening(lua->member, "");
  } else if (call(ud, PML_ON_START, 0, 0) != 0 && lua->member) {
    pml_member_failed(lua->member, "cannot start: see the log");
  }
}

static void started(void *ud) {
  if (begin(ud, PML_ON_STARTED)) call(ud, PML_ON_STARTED, 0, 0);
}

static void stop(void *ud, pml_stop_step step, pml_id number) {
  static const char *const steps[] = {"closing", "telling", "shutdown"};
  pml_lua *lua = ud;
  lua_State *L = begin(ud, PML_ON_STOP);
  int done = 1;
  if (L) {
    lua_pushstring(L, steps[step]);
    lua_pushnumber(L, (lua_Number)number);
    done = call(ud, PML_ON_STOP, 2, 0) != 0;
  }
  if (done && lua->member) pml_member_stopped(lua->member, number);
}

static size_t pending(void *ud, pml_writer *w) {
  lua_State *L = begin(ud, PML_ON_PENDING);
  if (!L || call(ud, PML_ON_PENDING, 0, 2) != 0) return 0;
  size_t n = (size_t)lua_tonumber(L, -2), len = 0;
  const char *text = lua_tolstring(L, -1, &len);
  if (text) pml_writer_put(w, text, len);
  lua_pop(L, 2);
  return n;
}

/* The operator's tool waits for an answer: it gets one also when no script can give it. */
static void control(void *ud, pml_id id, pml_slice text) {
  pml_lua *lua = ud;
  const char *wrong = "{\"ok\":false,\"message\":\"the server's scripts take no questions\"}";
  lua_State *L = begin(ud, PML_ON_CONTROL);
  if (L) {
    lua_pushnumber(L, (lua_Number)id);
    lua_pushlstring(L, (const char *)text.p, text.n);
    if (call(ud, PML_ON_CONTROL, 2, 0) == 0) return;
    wrong = "{\"ok\":false,\"message\":\"the question raised an error: see the log\"}";
  }
  if (lua->member) pml_member_answer(lua->member, id, wrong);
}

pml_stage pml_script_lua_stage(pml_lua *lua) {
  return (pml_stage){start, started, stop, pending, control, lua};
}

void pml_script_lua_set(pml_lua *lua) {
  pml_script s = {
    .on_message = on_message,
    .on_forwarded = on_forwarded,
    .on_call = on_call,
    .on_answered = on_answered,
    .on_pushed = on_pushed,
    .on_handshake = on_handshake,
    .on_route = on_route,
    .on_closed = on_closed,
    .on_timer = on_timer,
    .filter = filter,
    .ud = lua,
  };
  pml_node_set_script(lua->node, &s);
  pml_stage stage = pml_script_lua_stage(lua);
  if (lua->member) pml_member_set_stage(lua->member, &stage);
}

static int place_of(const char *name) {
  for (int i = 0; i < PML_ENTRIES; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

void pml_script_lua_entries(lua_State *L, pml_lua *lua, int idx) {
  luaL_checktype(L, idx, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    int i = lua_type(L, -2) == LUA_TSTRING ? place_of(lua_tostring(L, -2)) : -1;
    if (i < 0) luaL_error(L, "entries: '%s' is not the name of an entry", lua_tostring(L, -2));
    if (!lua_isfunction(L, -1))
      luaL_error(L, "entries.%s must be a function, got a %s", names[i], luaL_typename(L, -1));
    luaL_unref(L, LUA_REGISTRYINDEX, lua->entry[i]);
    lua->entry[i] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
}
