#include "script/script_lua.h"

#include "base/err.h"
#include "node/requests.h"
#include "node/route.h"
#include "script/call.h"
#include "script/script_call.h"
#include "script/values.h"

#include <string.h>

/* A filter may broadcast, which asks filters: each takes of the C stack. */
#define FILTERS_DEEP 16

static const char *const names[PML_ENTRIES] = {
  "message", "forwarded", "call",   "answered", "pushed",  "handshake", "route",
  "closed",  "timer",     "filter", "start",    "started", "stop",      "control",
  "pending", "returned",  "member", "peer",     "web",     "lost",      "resumed",
};

static int is_set(const pml_lua *lua, int which) { return pml_anchor_holds(&lua->entry[which]); }

/* Calls an entry with what push makes of args, under protection. detail: what the entry is called
 * for, if the call never ends. On success 0 and nresults values. */
static int call_for(pml_lua *lua, int which, pml_slice detail, int nresults,
                    int (*push)(lua_State *L, const void *args), const void *args) {
  const pml_lua_deferred d = {&lua->entry[which], nresults, push, args};
  if (!is_set(lua, which)) return -1;
  if (!lua_checkstack(lua->L, 24)) { /* filters that broadcast call each other */
    pml_log_some(pml_node_log(lua->node), PML_ERROR, "the Lua stack is full",
                 "%s: the Lua stack is full", names[which]);
    return -1;
  }
  pml_lua_defer(lua->L, &d);
  int rc = pml_script_call(lua, names[which], detail, 1, nresults);
  if (which == PML_ON_START) pml_budget_least(lua->budget, 0);
  return rc;
}

static int call(pml_lua *lua, int which, int nresults, int (*push)(lua_State *L, const void *args),
                const void *args) {
  return call_for(lua, which, pml_slice_of(NULL, 0), nresults, push, args);
}

static int push_nothing(lua_State *L, const void *args) {
  (void)L, (void)args;
  return 0;
}

/* 0 stands for "none", which is nil in Lua. */
static void push_id(lua_State *L, pml_id id) {
  if (id) lua_pushnumber(L, (lua_Number)id);
  else lua_pushnil(L);
}

/* A request whose entry failed before a task of the game had it is answered at once. */
static void fail(const pml_lua *lua, pml_id request) {
  if (request) pml_requests_fail(lua->node, request);
}

typedef struct {
  pml_id id; /* of the request, of the pending message, or 0 */
  pml_slice type;
  const pml_session *s;
  const pml_message_view *m;
} message_args;

static int push_message(lua_State *L, const void *args) {
  const message_args *a = args;
  push_id(L, a->id);
  lua_pushnumber(L, (lua_Number)a->s->id);
  pml_lua_push_uid(L, a->s->uid);
  pml_lua_push_slice(L, pml_buf_slice(a->s->settings));
  lua_pushinteger(L, a->m->type);
  lua_pushinteger(L, (lua_Integer)a->m->id);
  lua_pushlstring(L, (const char *)a->m->route.p, a->m->route.n);
  lua_pushlstring(L, (const char *)a->m->body.p, a->m->body.n);
  return 8;
}

static void on_message(void *ud, pml_id request, const pml_session *s, const pml_message_view *m) {
  const message_args a = {.id = request, .s = s, .m = m};
  if (call_for(ud, PML_ON_MESSAGE, m->route, 0, push_message, &a)) fail(ud, request);
}

static int push_route(lua_State *L, const void *args) {
  const message_args *a = args;
  lua_pushnumber(L, (lua_Number)a->id);
  lua_pushlstring(L, (const char *)a->type.p, a->type.n);
  lua_pushnumber(L, (lua_Number)a->s->id);
  lua_pushinteger(L, a->m->type);
  lua_pushinteger(L, (lua_Integer)a->m->id);
  lua_pushlstring(L, (const char *)a->m->route.p, a->m->route.n);
  lua_pushlstring(L, (const char *)a->m->body.p, a->m->body.n);
  return 7;
}

static void on_route(void *ud, pml_id pending, pml_slice type, const pml_session *s,
                     const pml_message_view *m) {
  const message_args a = {.id = pending, .type = type, .s = s, .m = m};
  pml_lua *lua = ud;
  /* The client gets code 500 when the scripts cannot say. */
  if (call_for(lua, PML_ON_ROUTE, m->route, 0, push_route, &a))
    pml_route_choose(lua->node, pending, NULL);
}

/* What another server sent: a forwarded message, or a remote call. */
typedef struct {
  pml_id id;
  const pml_envelope *env;
  pml_slice body;
} record_args;

static int push_forwarded(lua_State *L, const void *args) {
  const record_args *a = args;
  const pml_envelope *env = a->env;
  push_id(L, a->id);
  lua_pushlstring(L, (const char *)env->from.p, env->from.n);
  lua_pushnumber(L, (lua_Number)env->session);
  pml_lua_push_uid(L, env->uid);
  pml_lua_push_slice(L, env->settings);
  lua_pushinteger(L, env->msg_type);
  lua_pushinteger(L, (lua_Integer)env->msg_id);
  lua_pushlstring(L, (const char *)env->route.p, env->route.n);
  lua_pushlstring(L, (const char *)a->body.p, a->body.n);
  lua_pushnumber(L, (lua_Number)env->from_incarnation);
  return 10;
}

static void on_forwarded(void *ud, pml_id request, const pml_envelope *env, pml_slice body) {
  const record_args a = {request, env, body};
  if (call_for(ud, PML_ON_FORWARDED, env->route, 0, push_forwarded, &a)) fail(ud, request);
}

static int push_call(lua_State *L, const void *args) {
  const record_args *a = args;
  push_id(L, a->id);
  lua_pushlstring(L, (const char *)a->env->from.p, a->env->from.n);
  lua_pushlstring(L, (const char *)a->env->route.p, a->env->route.n);
  lua_pushlstring(L, (const char *)a->body.p, a->body.n);
  lua_pushboolean(L, a->env->flags & PML_ENV_ASIDE);
  return 5;
}

static void on_call(void *ud, pml_id id, const pml_envelope *env, pml_slice args) {
  static const char text[] = "this server could not take the call: see its log";
  const record_args a = {id, env, args};
  pml_lua *lua = ud;
  if (!call_for(lua, PML_ON_CALL, env->route, 0, push_call, &a) || id == 0) return;
  pml_buf *wrong = pml_buf_from(text, sizeof text - 1);
  pml_node_reply(lua->node, id, 1, wrong); /* nothing when it is answered already */
  pml_buf_unref(wrong);
}

typedef struct {
  pml_id id;
  int status;
  const char *message;
  pml_slice text;
} end_args;

static int push_answered(lua_State *L, const void *args) {
  const end_args *a = args;
  lua_pushnumber(L, (lua_Number)a->id);
  lua_pushstring(L, a->status == 1 ? "ERROR" : pml_err_name(a->status));
  if (a->status >= 0) lua_pushlstring(L, (const char *)a->text.p, a->text.n);
  else if (a->status == PML_ETIMEOUT) lua_pushliteral(L, "no answer in time");
  else if (a->status == PML_ENOENT) lua_pushliteral(L, "the server is gone");
  else lua_pushliteral(L, "this server is stopping");
  return 3;
}

static void on_answered(void *ud, pml_id id, int status, pml_slice text) {
  const end_args a = {.id = id, .status = status, .text = text};
  call(ud, PML_ON_ANSWERED, 0, push_answered, &a);
}

static int push_pushed(lua_State *L, const void *args) {
  const end_args *a = args;
  lua_pushnumber(L, (lua_Number)a->id);
  lua_pushstring(L, a->message); /* NULL pushes nil */
  pml_lua_push_uids(L, a->text);
  return 3;
}

static void on_returned(void *ud, pml_id request, int status, pml_slice text) {
  const end_args a = {.id = request, .status = status, .text = text};
  call(ud, PML_ON_RETURNED, 0, push_answered, &a);
}

static void on_pushed(void *ud, pml_id push, const char *message, pml_slice fails) {
  const end_args a = {.id = push, .message = message, .text = fails};
  call(ud, PML_ON_PUSHED, 0, push_pushed, &a);
}

/* An id and a text: a handshake, an operator's question. */
static int push_text(lua_State *L, const void *args) {
  const end_args *a = args;
  lua_pushnumber(L, (lua_Number)a->id);
  lua_pushlstring(L, (const char *)a->text.p, a->text.n);
  return 2;
}

static void on_handshake(void *ud, pml_id session, pml_slice body) {
  const end_args a = {.id = session, .text = body};
  call(ud, PML_ON_HANDSHAKE, 0, push_text, &a);
}

typedef struct {
  const pml_session *s;
  const pml_close_reason *why;
} closed_args;

static int push_closed(lua_State *L, const void *args) {
  const closed_args *a = args;
  const pml_close_reason *why = a->why;
  lua_pushnumber(L, (lua_Number)a->s->id);
  pml_lua_push_uid(L, a->s->uid);
  pml_lua_push_slice(L, pml_buf_slice(a->s->settings));
  switch (why->kind) {
  case PML_CLOSE_TEXT: lua_pushlstring(L, (const char *)why->text.p, why->text.n); break;
  case PML_CLOSE_CODE: lua_pushinteger(L, why->code); break;
  case PML_CLOSE_FLAG: lua_pushboolean(L, why->code); break;
  default: lua_pushnil(L);
  }
  return 4;
}

static void on_closed(void *ud, const pml_session *s, const pml_close_reason *why) {
  const closed_args a = {s, why};
  call(ud, PML_ON_CLOSED, 0, push_closed, &a);
}

static int push_session(lua_State *L, const void *args) {
  const pml_session *s = args;
  lua_pushnumber(L, (lua_Number)s->id);
  pml_lua_push_uid(L, s->uid);
  pml_lua_push_slice(L, pml_buf_slice(s->settings));
  return 3;
}

static void on_line(void *ud, const pml_session *s, int back) {
  call(ud, back ? PML_ON_RESUMED : PML_ON_LOST, 0, push_session, s);
}

static int push_timer(lua_State *L, const void *args) {
  lua_pushnumber(L, (lua_Number) * (const pml_id *)args);
  return 1;
}

static void on_timer(void *ud, pml_id timer) { call(ud, PML_ON_TIMER, 0, push_timer, &timer); }

static int push_member(lua_State *L, const void *args) {
  static const char *const changes[] = {"made", "joined", "again", "tied",
                                        "left", "pushed", "gone",  "after"};
  static const char *const reasons[] = {"leave", "closed", "server", "destroy", "absent"};
  const pml_member_event *e = args;
  lua_pushstring(L, changes[e->change]);
  lua_pushnumber(L, (lua_Number)e->id);
  lua_pushlstring(L, (const char *)e->name.p, e->name.n);
  pml_lua_push_uid(L, e->uid);
  lua_pushstring(L, e->sid); /* NULL pushes nil */
  if (e->change == PML_MEMBER_LEFT) lua_pushstring(L, reasons[e->why]);
  else push_id(L, e->session);
  lua_pushboolean(L, e->restored);
  return 7;
}

static void on_member(void *ud, const pml_member_event *e) {
  call(ud, PML_ON_MEMBER, 0, push_member, e);
}

typedef struct {
  const char *id;
  int up;
} peer_args;

static int push_peer(lua_State *L, const void *args) {
  const peer_args *a = args;
  lua_pushstring(L, a->id);
  lua_pushboolean(L, a->up);
  return 2;
}

static void on_peer(void *ud, const char *id, int up) {
  const peer_args a = {id, up};
  if (is_set(ud, PML_ON_PEER)) call(ud, PML_ON_PEER, 0, push_peer, &a);
}

/* A name and its value, at the end of the list on top that holds i of them. */
static void push_pair(lua_State *L, const pml_web_pair *p, int i) {
  lua_pushlstring(L, (const char *)p->name.p, p->name.n);
  lua_rawseti(L, -2, 2 * i + 1);
  lua_pushlstring(L, (const char *)p->value.p, p->value.n);
  lua_rawseti(L, -2, 2 * i + 2);
}

static int push_web(lua_State *L, const void *args) {
  const pml_web_call *c = args;
  const pml_slice texts[] = {c->method, c->pattern, c->asked, c->path,
                             c->query,  c->address, c->body};
  lua_pushnumber(L, (lua_Number)c->id);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    lua_pushlstring(L, (const char *)texts[i].p, texts[i].n);
  lua_createtable(L, (int)(2 * c->params), 0);
  for (size_t i = 0; i < c->params; i++) push_pair(L, &c->pairs[i], (int)i);
  lua_createtable(L, (int)(2 * c->headers), 0);
  for (size_t i = 0; i < c->headers; i++) push_pair(L, &c->pairs[c->params + i], (int)i);
  lua_pushnumber(L, (lua_Number)c->due);
  return 11;
}

/* The client gets code 500 when the scripts cannot answer. */
static void on_web(void *ud, const pml_web_call *c) {
  pml_web_answer none = {.status = 500};
  pml_lua *lua = ud;
  if (call_for(lua, PML_ON_WEB, c->pattern, 0, push_web, c) && lua->member)
    pml_member_answer_web(lua->member, c->id, &none);
}

typedef struct {
  const pml_session *s;
  pml_slice message, param;
} filter_args;

static int push_filter(lua_State *L, const void *args) {
  const filter_args *a = args;
  lua_pushnumber(L, (lua_Number)a->s->id);
  pml_lua_push_uid(L, a->s->uid);
  pml_lua_push_slice(L, pml_buf_slice(a->s->settings));
  lua_pushlstring(L, (const char *)a->message.p, a->message.n);
  pml_lua_push_slice(L, a->param);
  return 5;
}

/* A filter that fails keeps the session out, and the log says why: once for all, when
 * the script that broadcasts is being stopped. */
static int filter(void *ud, const pml_session *s, pml_slice message, pml_slice param) {
  const filter_args a = {s, message, param};
  pml_lua *lua = ud;
  if (pml_budget_over(lua->budget)) return 0;
  if (!is_set(lua, PML_ON_FILTER)) return 1;
  if (lua->filtering >= FILTERS_DEEP) {
    pml_log_some(pml_node_log(lua->node), PML_ERROR, "filters that broadcast",
                 "broadcastFilter: it calls broadcast, which calls the filter again without end");
    return 0;
  }
  lua->filtering++;
  int rc = call(lua, PML_ON_FILTER, 1, push_filter, &a);
  lua->filtering--;
  if (rc) return 0;
  int keep = lua_toboolean(lua->L, -1);
  lua_pop(lua->L, 1);
  return keep;
}

/* The program waits until a server has started, stopped or answered. When the scripts will not
 * report that, these functions do. */
static void start(void *ud) {
  pml_lua *lua = ud;
  int set = is_set(lua, PML_ON_START);
  if (call(lua, PML_ON_START, 0, push_nothing, NULL) == 0 || !lua->member) return;
  if (set) pml_member_failed(lua->member, "cannot start: see the log");
  else pml_member_listening(lua->member, "");
}

static void started(void *ud) { call(ud, PML_ON_STARTED, 0, push_nothing, NULL); }

typedef struct {
  const char *step;
  pml_id number;
} stop_args;

static int push_stop(lua_State *L, const void *args) {
  const stop_args *a = args;
  lua_pushstring(L, a->step);
  lua_pushnumber(L, (lua_Number)a->number);
  return 2;
}

static void stop(void *ud, pml_stop_step step, pml_id number) {
  static const char *const steps[] = {"draining", "closing", "telling", "shutdown"};
  const stop_args a = {steps[step], number};
  pml_lua *lua = ud;
  if (call(lua, PML_ON_STOP, 0, push_stop, &a) != 0 && lua->member)
    pml_member_stopped(lua->member, number);
}

static size_t pending(void *ud, pml_writer *w) {
  pml_lua *lua = ud;
  lua_State *L = lua->L;
  if (call(lua, PML_ON_PENDING, 2, push_nothing, NULL) != 0) return 0;
  size_t n = (size_t)lua_tonumber(L, -2), len = 0;
  const char *text = lua_isstring(L, -1) ? lua_tolstring(L, -1, &len) : NULL;
  if (text) pml_writer_put(w, text, len);
  lua_pop(L, 2);
  return n;
}

/* The operator's tool waits for an answer: it gets one also when no script can give it. */
static void control(void *ud, pml_id id, pml_slice text) {
  const end_args a = {.id = id, .text = text};
  pml_lua *lua = ud;
  if (call(lua, PML_ON_CONTROL, 0, push_text, &a) == 0 || !lua->member) return;
  pml_member_answer(lua->member, id,
                    is_set(lua, PML_ON_CONTROL)
                      ? "{\"ok\":false,\"message\":\"the question raised an error: see the log\"}"
                      : "{\"ok\":false,\"message\":\"the server's scripts take no questions\"}");
}

pml_stage pml_script_lua_stage(pml_lua *lua) {
  return (pml_stage){start, started, stop, pending, control, on_web, lua};
}

void pml_script_lua_set(pml_lua *lua) {
  pml_script s = {
    .on_message = on_message,
    .on_forwarded = on_forwarded,
    .on_returned = on_returned,
    .on_call = on_call,
    .on_answered = on_answered,
    .on_pushed = on_pushed,
    .on_handshake = on_handshake,
    .on_route = on_route,
    .on_closed = on_closed,
    .on_line = on_line,
    .on_timer = on_timer,
    .on_member = on_member,
    .on_peer = on_peer,
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
    pml_anchor_hold(L, &lua->entry[i]);
  }
}
