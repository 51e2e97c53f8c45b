/* l_virtual: a node without sockets, threads or time of its own, for the test kit:
 * the same tables, dispatch and encoding; what leaves it is kept for the asking. */
#include "bind/l_virtual.h"

#include "base/err.h"
#include "base/mem.h"
#include "bind/lua_node.h"
#include "bus/transport_record.h"
#include "node/frontend.h"
#include "wire/envelope.h"
#include "wire/frame.h"

/* One frame, kick or close that a client would have got. */
typedef struct {
  pml_list node;
  pml_id sid;
  const char *kind; /* "data" "kick" "close" */
  pml_buf *bytes;
} sent;

struct pml_virtual {
  pml_loop *loop;
  pml_list sent, clients;
  uint64_t *forwards; /* calls delivered as forwards: their answers are frames */
  size_t nforwards, cap;
};

typedef struct {
  pml_sink sink;
  pml_list node;
  pml_task end;
  pml_lua *lua;
  pml_session *session;
  char *reason; /* owned; NULL: none */
  int closing;
} client;

static void keep(pml_lua *lua, pml_id sid, const char *kind, pml_buf *bytes) {
  sent *s = pml_alloc0(sizeof *s);
  s->sid = sid;
  s->kind = kind;
  s->bytes = pml_buf_ref(bytes);
  pml_list_append(&lua->virt->sent, &s->node);
}

static void client_send(pml_sink *sink, pml_buf *frame) {
  client *c = (client *)(void *)sink;
  if (c->closing) return;
  pml_slice body = pml_frame_body(frame);
  pml_buf *b = pml_buf_from(body.p, body.n);
  keep(c->lua, c->session->id, "data", b);
  pml_buf_unref(b);
}

static void client_close(pml_sink *sink, const char *reason) {
  client *c = (client *)(void *)sink;
  if (c->closing) return;
  c->closing = 1;
  c->reason = reason ? pml_strdup(reason) : NULL;
  pml_buf *b = reason ? pml_buf_from(reason, strlen(reason)) : NULL;
  keep(c->lua, c->session->id, reason ? "kick" : "close", b);
  pml_buf_unref(b);
  pml_loop_defer(c->lua->virt->loop, &c->end);
}

static void client_address(pml_sink *sink, char ip[46], int *port) {
  (void)sink;
  strcpy(ip, "127.0.0.1");
  *port = 1;
}

static void client_free(client *c) {
  pml_list_remove(&c->node);
  pml_task_cancel(&c->end);
  pml_free(c->reason);
  pml_free(c);
}

static void client_end(pml_task *t) {
  client *c = PML_LIST_OBJ(t, client, end);
  pml_close_reason why = {.kind = c->reason ? PML_CLOSE_TEXT : PML_CLOSE_NIL, .text = c->reason};
  pml_frontend_closed(c->lua->node, c->session, &why);
  client_free(c);
}

static pml_lua *check_virtual(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (!lua->virt) luaL_error(L, "only a virtual node can do this");
  return lua;
}

/* node:openSession() -> sid */
static int l_open_session(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  client *c = pml_alloc0(sizeof *c);
  c->sink = (pml_sink){client_send, client_close, client_address};
  c->lua = lua;
  pml_task_init(&c->end, client_end);
  pml_list_init(&c->node);
  c->session = pml_sessions_open(pml_node_sessions(lua->node), &c->sink);
  if (!c->session) {
    pml_free(c);
    return pml_lua_fail(L, PML_EFULL, "no places for sessions are left");
  }
  c->session->ready = 1;
  pml_list_append(&lua->virt->clients, &c->node);
  lua_pushnumber(L, (lua_Number)c->session->id);
  return 1;
}

/* node:closeSession(sid, reason | nil) -> boolean: the client goes */
static int l_close_session(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  const char *reason = luaL_optstring(L, 3, NULL);
  lua_pushboolean(L, s != NULL);
  if (!s || !s->sink) return 1;
  client *c = (client *)(void *)s->sink;
  if (c->closing) return 1;
  c->closing = 1;
  c->reason = reason ? pml_strdup(reason) : NULL;
  lua_State *before = lua->L;
  lua->L = L;
  client_end(&c->end);
  lua->L = before;
  return 1;
}

/* node:clientData(sid, bytes) -> true | nil, message, "PROTO" | "NOENT": a DATA body comes from the
 * client */
static int l_client_data(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 3, &n);
  pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  if (!s) return pml_lua_fail(L, PML_ENOENT, "there is no such session");
  lua_State *before = lua->L;
  lua->L = L;
  int rc = pml_frontend_data(lua->node, s, pml_slice_of(bytes, n));
  lua->L = before;
  if (rc) return pml_lua_fail(L, rc, "these bytes are no message");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:sent() -> array of {sid=, kind=, bytes=} since the last call */
static int l_sent(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  pml_list *item;
  int n = 0;
  lua_newtable(L);
  while ((item = pml_list_pop(&lua->virt->sent))) {
    sent *s = PML_LIST_OBJ(item, sent, node);
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, (lua_Number)s->sid);
    lua_setfield(L, -2, "sid");
    lua_pushstring(L, s->kind);
    lua_setfield(L, -2, "kind");
    if (s->bytes) {
      lua_pushlstring(L, (const char *)s->bytes->data, s->bytes->len);
      lua_setfield(L, -2, "bytes");
    }
    lua_rawseti(L, -2, ++n);
    pml_buf_unref(s->bytes);
    pml_free(s);
  }
  return 1;
}

/* --- the bus ---------------------------------------------------------------------- */

static const char *const kinds[] = {"?", "call", "forward", "answer", "push", "broadcast"};

static void set_slice(lua_State *L, const char *name, pml_slice s) {
  if (!s.n) return;
  lua_pushlstring(L, (const char *)s.p, s.n);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, name);
}

static int forget_forward(struct pml_virtual *v, uint64_t call) {
  for (size_t i = 0; i < v->nforwards; i++) {
    if (v->forwards[i] != call) continue;
    v->forwards[i] = v->forwards[--v->nforwards];
    return 1;
  }
  return 0;
}

static void push_record(lua_State *L, pml_lua *lua, const char *to, const pml_envelope *e,
                        pml_buf *body, pml_buf *extra) {
  int framed = e->kind == PML_ENV_PUSH || e->kind == PML_ENV_BROADCAST ||
               (e->kind == PML_ENV_ANSWER && forget_forward(lua->virt, e->call) && e->status == 0);
  lua_newtable(L);
  lua_pushstring(L, to);
  lua_setfield(L, -2, "to");
  lua_pushstring(L, kinds[e->kind <= PML_ENV_BROADCAST ? e->kind : 0]);
  lua_setfield(L, -2, "kind");
  if (e->call) set_number(L, "call", (double)e->call);
  if (e->kind == PML_ENV_ANSWER) set_number(L, "status", e->status);
  set_slice(L, "route", e->route);
  set_slice(L, "from", e->from);
  if (e->kind == PML_ENV_FORWARD) {
    set_number(L, "session", (double)e->session);
    set_number(L, "msgType", e->msg_type);
    set_number(L, "msgId", e->msg_id);
    set_slice(L, "settings", e->settings);
    pml_lua_push_uid(L, e->uid);
    lua_setfield(L, -2, "uid");
  }
  set_slice(L, "body", framed && body ? pml_frame_body(body) : pml_buf_slice(body));
  if (e->kind == PML_ENV_PUSH) {
    pml_lua_push_uids(L, pml_buf_slice(extra));
    lua_setfield(L, -2, "uids");
    pml_lua_push_uids(L, e->param);
    lua_setfield(L, -2, "except");
  } else if (e->kind == PML_ENV_BROADCAST) {
    set_slice(L, "param", e->param);
    pml_lua_push_uids(L, pml_buf_slice(extra));
    lua_setfield(L, -2, "except");
    lua_pushboolean(L, e->flags & PML_ENV_BINDED);
    lua_setfield(L, -2, "binded");
    lua_pushboolean(L, e->flags & PML_ENV_FILTER);
    lua_setfield(L, -2, "filter");
  }
}

/* node:outbox() -> array of what was sent to other servers since the last call */
static int l_outbox(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  pml_buf *head, *body, *extra;
  char *to;
  int n = 0;
  lua_newtable(L);
  while (pml_transport_record_take(pml_node_transport(lua->node), &to, &head, &body, &extra)) {
    pml_envelope e;
    if (pml_envelope_read(pml_buf_slice(head), &e) == 0) {
      push_record(L, lua, to, &e, body, extra);
      lua_rawseti(L, -2, ++n);
    }
    pml_free(to);
    pml_buf_unref(head);
    pml_buf_unref(body);
    pml_buf_unref(extra);
  }
  return 1;
}

/* Field `name` of the table at idx as bytes; the table keeps them alive. */
static pml_slice field(lua_State *L, int idx, const char *name) {
  size_t n = 0;
  lua_getfield(L, idx, name);
  const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
  lua_pop(L, 1);
  return pml_slice_of(s, n);
}

static double number_field(lua_State *L, int idx, const char *name) {
  lua_getfield(L, idx, name);
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static void note_forward(struct pml_virtual *v, uint64_t call) {
  if (v->nforwards == v->cap) {
    v->cap = v->cap ? v->cap * 2 : 16;
    v->forwards = pml_realloc(v->forwards, v->cap * sizeof *v->forwards);
  }
  v->forwards[v->nforwards++] = call;
}

/* node:deliver{from=, kind=, call=, ms=, session=, uid=, settings=, route=, msgType=, msgId=,
 * status=, body=, uids=} -> true: as if it came from the bus. Bodies of pushes are no frames here:
 * not deliverable. */
static int l_deliver(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  static const char *const names[] = {"call", "forward", "answer", NULL};
  char buf[40];
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_getfield(L, 2, "kind");
  pml_envelope e = {.kind = (uint8_t)(PML_ENV_CALL + luaL_checkoption(L, 3, NULL, names))};
  lua_getfield(L, 2, "from");
  const char *from = luaL_checkstring(L, 4);
  e.from = pml_slice_str(from);
  e.call = (uint64_t)number_field(L, 2, "call");
  e.ms = (uint32_t)number_field(L, 2, "ms");
  e.session = (uint64_t)number_field(L, 2, "session");
  e.msg_type = (uint8_t)number_field(L, 2, "msgType");
  e.msg_id = (uint32_t)number_field(L, 2, "msgId");
  e.status = (uint8_t)number_field(L, 2, "status");
  e.settings = field(L, 2, "settings");
  e.route = field(L, 2, "route");
  lua_getfield(L, 2, "uid"); /* stays on the stack: the view borrows it */
  if (!lua_isnil(L, -1) && pml_lua_uid(L, -1, buf, &e.uid) != 0)
    return luaL_error(L, "uid: a string or a number");
  pml_slice bytes = field(L, 2, "body");
  pml_buf *head = pml_envelope_write(&e), *body = pml_buf_from(bytes.p, bytes.n);
  if (e.kind == PML_ENV_FORWARD && e.call) note_forward(lua->virt, e.call);
  lua_State *before = lua->L;
  lua->L = L;
  pml_transport_record_deliver(pml_node_transport(lua->node), from, head, body, NULL);
  lua->L = before;
  pml_buf_unref(head);
  pml_buf_unref(body);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:peer(serverId, up): another server is there, or gone */
static int l_peer(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  const char *id = luaL_checkstring(L, 2);
  lua_State *before = lua->L;
  lua->L = L;
  pml_transport_record_peer(pml_node_transport(lua->node), id, lua_toboolean(L, 3));
  lua->L = before;
  return 0;
}

/* node:advance(ms): time moves on, timers and deadlines fire in order */
static int l_advance(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  lua_Number ms = luaL_checknumber(L, 2);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 2, "milliseconds");
  lua_State *before = lua->L;
  lua->L = L;
  pml_loop_advance(lua->virt->loop, (uint64_t)ms);
  lua->L = before;
  return 0;
}

/* node:settle(): end-of-turn work runs */
static int l_settle(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  lua_State *before = lua->L;
  lua->L = L;
  pml_loop_settle(lua->virt->loop);
  lua->L = before;
  return 0;
}

/* node:close(): forgets everything; later calls raise */
static int l_close(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  struct pml_virtual *v = lua->virt;
  pml_list *item;
  for (int i = 0; i < PML_ENTRIES; i++) luaL_unref(L, LUA_REGISTRYINDEX, lua->entry[i]);
  luaL_unref(L, LUA_REGISTRYINDEX, lua->channels);
  luaL_unref(L, LUA_REGISTRYINDEX, lua->env);
  while (!pml_list_empty(&v->clients)) client_free(PML_LIST_OBJ(v->clients.next, client, node));
  pml_node_free(lua->node);
  while ((item = pml_list_pop(&v->sent))) {
    sent *s = PML_LIST_OBJ(item, sent, node);
    pml_buf_unref(s->bytes);
    pml_free(s);
  }
  pml_loop_free(v->loop);
  pml_free(v->forwards);
  pml_free(v);
  lua->node = NULL;
  lua->virt = NULL;
  return 0;
}

static const luaL_Reg methods[] = {
  {"openSession", l_open_session},
  {"closeSession", l_close_session},
  {"clientData", l_client_data},
  {"sent", l_sent},
  {"outbox", l_outbox},
  {"deliver", l_deliver},
  {"peer", l_peer},
  {"advance", l_advance},
  {"settle", l_settle},
  {"close", l_close},
  {NULL, NULL},
};

void pml_lua_virtual_methods(lua_State *L) { luaL_setfuncs(L, methods, 0); }

/* What the log of a virtual node says goes to the function given, if any. */
static void on_line(pml_level level, const char *text, void *ud) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  pml_lua *lua = ud;
  lua_State *L = lua->L;
  lua_getfield(L, LUA_REGISTRYINDEX, "pomelua.virtual.log");
  lua_pushlightuserdata(L, lua);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  int n = (int)lua_objlen(L, -1);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, levels[level < PML_SILENT ? level : 3]);
  lua_setfield(L, -2, "level");
  lua_pushstring(L, text);
  lua_setfield(L, -2, "text");
  lua_rawseti(L, -2, n + 1);
  lua_pop(L, 1);
}

/* The array that collects a node's log lines, in the registry. */
static void collect_log(lua_State *L, pml_lua *lua) {
  lua_getfield(L, LUA_REGISTRYINDEX, "pomelua.virtual.log");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "pomelua.virtual.log");
  }
  lua_pushlightuserdata(L, lua);
  lua_newtable(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* node:lines() -> array of {level=, text=}: all log lines so far */
static int l_lines(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "pomelua.virtual.log");
  lua_pushlightuserdata(L, lua);
  lua_rawget(L, -2);
  return 1;
}

/* core.node{id=, type=, frontend=} -> a virtual node */
static int l_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "id");
  lua_getfield(L, 1, "type");
  lua_getfield(L, 1, "frontend");
  pml_node_options o = {
    .id = luaL_checkstring(L, 2),
    .type = luaL_checkstring(L, 3),
    .frontend = lua_toboolean(L, 4),
  };
  struct pml_virtual *v = pml_alloc0(sizeof *v);
  pml_list_init(&v->sent);
  pml_list_init(&v->clients);
  v->loop = pml_loop_new_virtual();
  pml_log_init(&o.log, o.id, PML_DEBUG, 0);
  pml_node *node = pml_node_new(v->loop, &o);
  pml_node_use_recorder(node);
  pml_lua *lua = pml_lua_node_push(L, node, NULL);
  lua->virt = v;
  pml_node_log(node)->on_line = on_line;
  pml_node_log(node)->ud = lua;
  collect_log(L, lua);
  return 1;
}

void pml_open_virtual(lua_State *L) {
  lua_pushcfunction(L, l_new);
  lua_setfield(L, -2, "node");
  luaL_getmetatable(L, PML_NODE_TNAME);
  lua_getfield(L, -1, "__index");
  lua_pushcfunction(L, l_lines);
  lua_setfield(L, -2, "lines");
  lua_pop(L, 2);
}
