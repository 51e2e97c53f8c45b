/* l_virtual: a node without sockets, threads or time of its own, for the test kit:
 * the same tables, dispatch and encoding; what leaves it is kept for the asking. */
#include "bind/l_virtual.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/ctext.h"
#include "script/lua_node.h"
#include "bus/transport_record.h"
#include "node/frontend.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/package.h"

/* One frame, kick or close that a client would have got. */
typedef struct {
  pml_list node;
  pml_id sid;
  const char *kind; /* "data" "kick" "close" */
  pml_buf *bytes;
} sent;

/* One line of the log. */
typedef struct {
  pml_list node;
  pml_level level;
  char text[];
} line;

/* What went to another server, or came from one, and waits for its answer: the answer to a
 * forwarded message is a frame inside and message bytes outside; that to a push is a list of
 * uids. Call ids are the asking server's own. */
typedef struct {
  pml_list node;
  uint64_t call;
  uint8_t kind;
  char server[]; /* the other side */
} crossing;

struct pml_virtual {
  pml_loop *loop;
  pml_list sent, clients, lines;
  pml_list asked, given; /* of crossing: what went out, what came in */
  int turning;           /* the loop turns: it cannot be turned from inside */
};

typedef struct {
  pml_sink sink;
  pml_list node;
  pml_task end;
  pml_lua *lua;
  pml_session *session;
  pml_buf *reason; /* owned; NULL: none */
  pml_close_kind kind;
  int code;
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
  client *c = PML_CONTAINER(sink, client, sink);
  if (c->closing) return;
  pml_slice body = pml_frame_body(frame);
  pml_buf *b = pml_buf_from(body.p, body.n);
  keep(c->lua, c->session->id, "data", b);
  pml_buf_unref(b);
}

static void client_gone(client *c, pml_slice reason, int kicked) {
  if (c->closing) return;
  c->closing = 1;
  c->kind = reason.p ? PML_CLOSE_TEXT : PML_CLOSE_NIL;
  c->reason = reason.p ? pml_buf_from(reason.p, reason.n) : NULL;
  if (kicked) keep(c->lua, c->session->id, "kick", c->reason);
  else keep(c->lua, c->session->id, "close", NULL);
  pml_loop_defer(c->lua->virt->loop, &c->end);
}

static void client_close(pml_sink *sink, pml_slice reason) {
  client_gone(PML_CONTAINER(sink, client, sink), reason, reason.p != NULL);
}

static void client_leave(pml_sink *sink, pml_slice reason) {
  client_gone(PML_CONTAINER(sink, client, sink), reason, 0);
}

static void client_address(pml_sink *sink, char ip[46], int *port) {
  (void)sink;
  strcpy(ip, "127.0.0.1");
  *port = 1;
}

static const pml_sink_calls client_calls = {client_send, client_close, client_leave,
                                            client_address};

static void client_free(client *c) {
  pml_list_remove(&c->node);
  pml_task_cancel(&c->end);
  pml_buf_unref(c->reason);
  pml_free(c);
}

static void client_end(pml_task *t) {
  client *c = PML_CONTAINER(t, client, end);
  pml_close_reason why = {.kind = c->kind, .code = c->code, .text = pml_buf_slice(c->reason)};
  pml_frontend_closed(c->lua->node, c->session, &why);
  client_free(c);
}

/* --- clients ---------------------------------------------------------------------- */

static pml_lua *check_virtual(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (!lua->virt) luaL_error(L, "only a virtual node can do this");
  return lua;
}

/* node:openSession() -> sid */
static int l_open_session(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  client *c = pml_alloc0(sizeof *c);
  c->sink = (pml_sink){&client_calls};
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

/* Why a client went, from the value at idx: a text, a WebSocket close code, whether a socket
 * had an error. */
static void read_reason(lua_State *L, int idx, client *c) {
  size_t n = 0;
  const char *text;
  switch (lua_type(L, idx)) {
  case LUA_TNUMBER:
    c->kind = PML_CLOSE_CODE;
    c->code = (int)lua_tointeger(L, idx);
    return;
  case LUA_TBOOLEAN:
    c->kind = PML_CLOSE_FLAG;
    c->code = lua_toboolean(L, idx);
    return;
  default:
    text = luaL_optlstring(L, idx, NULL, &n);
    c->kind = text ? PML_CLOSE_TEXT : PML_CLOSE_NIL;
    c->reason = text ? pml_buf_from(text, n) : NULL;
  }
}

/* node:closeSession(sid, reason | nil) -> boolean: the client goes */
static int l_close_session(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  lua_settop(L, 3);
  if (!lua_isboolean(L, 3) && lua_type(L, 3) != LUA_TNUMBER) luaL_optstring(L, 3, NULL);
  lua_pushboolean(L, s != NULL);
  if (!s || !s->sink) return 1;
  client *c = PML_CONTAINER(s->sink, client, sink);
  if (c->closing) return 1;
  read_reason(L, 3, c);
  c->closing = 1;
  if (lua->filtering) { /* somebody walks the sessions: later */
    pml_loop_defer(lua->virt->loop, &c->end);
    return 1;
  }
  lua_State *before = pml_lua_enter(lua, L);
  client_end(&c->end);
  pml_lua_leave(lua, before);
  return 1;
}

/* node:clientData(sid, bytes) -> true | nil, message, "PROTO" | "NOENT" | "CLOSED": a DATA body
 * comes from the client */
static int l_client_data(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 3, &n);
  pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  if (!s) return pml_lua_fail(L, PML_ENOENT, "there is no such session");
  if (PML_CONTAINER(s->sink, client, sink)->closing)
    return pml_lua_fail(L, PML_ECLOSED, "this client is being closed");
  lua_State *before = pml_lua_enter(lua, L);
  int rc = pml_frontend_data(lua->node, s, pml_slice_of(bytes, n));
  pml_lua_leave(lua, before);
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
    sent *s = PML_CONTAINER(item, sent, node);
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

static void note(pml_list *where, const char *server, const pml_envelope *e) {
  if (!e->call || e->kind == PML_ENV_CALL || e->kind == PML_ENV_ANSWER) return;
  size_t n = strlen(server);
  crossing *x = pml_alloc(sizeof *x + n + 1);
  x->call = e->call;
  x->kind = e->kind;
  memcpy(x->server, server, n + 1);
  pml_list_append(where, &x->node);
}

/* What kind of record this answers, if it was noted; then it is forgotten. */
static int answered_kind(pml_list *where, const char *server, uint64_t call) {
  for (pml_list *i = where->next; i != where; i = i->next) {
    crossing *x = PML_CONTAINER(i, crossing, node);
    if (x->call != call || strcmp(x->server, server) != 0) continue;
    int kind = x->kind;
    pml_list_remove(i);
    pml_free(x);
    return kind;
  }
  return 0;
}

static void push_record(lua_State *L, pml_lua *lua, const char *to, const pml_envelope *e,
                        pml_buf *body, pml_buf *extra) {
  int of = 0, good = e->status == 0;
  if (e->kind == PML_ENV_ANSWER) of = answered_kind(&lua->virt->given, to, e->call);
  else note(&lua->virt->asked, to, e);
  int pushed = e->kind == PML_ENV_PUSH || e->kind == PML_ENV_BROADCAST;
  int framed = (pushed || (good && of == PML_ENV_FORWARD)) && body && body->len >= PML_FRAME_ROOM;
  lua_newtable(L);
  lua_pushstring(L, to);
  lua_setfield(L, -2, "to");
  lua_pushstring(L, kinds[e->kind <= PML_ENV_BROADCAST ? e->kind : 0]);
  lua_setfield(L, -2, "kind");
  if (e->call) set_number(L, "call", (double)e->call);
  if (e->ms) set_number(L, "ms", e->ms);
  if (e->kind == PML_ENV_CALL && e->flags & PML_ENV_ASIDE) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "aside");
  }
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
  if (good && (of == PML_ENV_PUSH || of == PML_ENV_BROADCAST)) {
    pml_lua_push_uids(L, pml_buf_slice(body));
    lua_setfield(L, -2, "uids");
  } else if (e->kind == PML_ENV_FORWARD) {
    set_slice(L, "body", e->param);
  } else {
    set_slice(L, "body", framed ? pml_frame_body(body) : pml_buf_slice(body));
  }
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

/* Field `name` as a whole number up to max, 0 when it is nil; raises on others. */
static uint64_t number_field(lua_State *L, int idx, const char *name, double max) {
  lua_getfield(L, idx, name);
  double v = lua_isnil(L, -1) ? 0 : lua_tonumber(L, -1);
  if (!(v >= 0 && v <= max) || (v == 0 && !lua_isnil(L, -1) && !lua_isnumber(L, -1)))
    luaL_error(L, "%s: a number from 0 to %f", name, max);
  lua_pop(L, 1);
  return (uint64_t)v;
}

static int flag_field(lua_State *L, int idx, const char *name, int flag) {
  lua_getfield(L, idx, name);
  int on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on ? flag : 0;
}

/* Field `name`, an array of uids or nil, as a list in *out, owned. 0 or PML_EINVAL. */
static int uids_field(lua_State *L, int idx, const char *name, pml_buf **out) {
  pml_writer w = {0};
  lua_getfield(L, idx, name);
  int rc = pml_lua_uids(L, lua_gettop(L), &w);
  lua_pop(L, 1);
  *out = pml_writer_finish(&w);
  return rc;
}

/* The envelope of what l_deliver was given at index 2. The strings that it borrows stay alive in
 * that table, the text of a uid in buf. */
static void read_record(lua_State *L, pml_envelope *e, char buf[40]) {
  static const char *const names[] = {"call", "forward", "answer", "push", "broadcast", NULL};
  const double id_max = 9007199254740992.0;
  lua_getfield(L, 2, "kind");
  *e = (pml_envelope){.kind = (uint8_t)(PML_ENV_CALL + luaL_checkoption(L, -1, NULL, names))};
  lua_pop(L, 1);
  e->call = number_field(L, 2, "call", id_max);
  e->ms = (uint32_t)number_field(L, 2, "ms", 4294967295.0);
  e->session = number_field(L, 2, "session", id_max);
  e->msg_type = (uint8_t)number_field(L, 2, "msgType", 7);
  e->msg_id = (uint32_t)number_field(L, 2, "msgId", 4294967295.0);
  e->status = (uint8_t)number_field(L, 2, "status", 255);
  e->settings = field(L, 2, "settings");
  e->route = field(L, 2, "route");
  if (e->kind == PML_ENV_BROADCAST) e->param = field(L, 2, "param");
  e->flags = (uint8_t)(flag_field(L, 2, "binded", PML_ENV_BINDED) |
                       flag_field(L, 2, "filter", PML_ENV_FILTER));
  lua_getfield(L, 2, "uid");
  if (!lua_isnil(L, -1) && pml_lua_uid(L, -1, buf, &e->uid) != 0)
    luaL_error(L, "uid: a string of at most 4096 bytes, or a number");
  lua_pop(L, 1);
}

/* node:deliver{from=, kind=, call=, ms=, session=, uid=, settings=, route=, msgType=, msgId=,
 * status=, body=, uids=, except=, binded=, filter=, param=} -> true: a record as outbox gives it,
 * as if it came from the bus */
static int l_deliver(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  char buf[40];
  pml_envelope e;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_getfield(L, 2, "from");
  const char *from = pml_lua_ctext(L, 3, "from");
  read_record(L, &e, buf);
  e.from = pml_slice_str(from);
  e.from_incarnation = pml_node_incarnation(lua->node, from);
  e.to_incarnation = pml_node_transport(lua->node)->incarnation;
  pml_slice bytes = field(L, 2, "body");
  pml_buf *except, *uids;
  int bad = uids_field(L, 2, "except", &except) | uids_field(L, 2, "uids", &uids);
  if (bad || bytes.n > PML_PKG_MAX) {
    pml_buf_unref(except);
    pml_buf_unref(uids);
    return luaL_error(L, bad ? "uids, except: arrays of uids" : "body: at most 16777215 bytes");
  }
  int push = e.kind == PML_ENV_PUSH || e.kind == PML_ENV_BROADCAST;
  int of = e.kind == PML_ENV_ANSWER ? answered_kind(&lua->virt->asked, from, e.call) : 0;
  if (e.kind == PML_ENV_PUSH) e.param = pml_buf_slice(except);
  if (e.kind == PML_ENV_FORWARD) e.param = bytes;
  pml_buf *head = pml_envelope_write(&e), *body;
  if (push || (of == PML_ENV_FORWARD && e.status == 0))
    body = pml_frame_of(PML_PKG_DATA, bytes.p, bytes.n);
  else if (of && of != PML_ENV_FORWARD && e.status == 0) body = pml_buf_ref(uids);
  else body = pml_buf_from(bytes.p, bytes.n);
  note(&lua->virt->given, from, &e);
  lua_State *before = pml_lua_enter(lua, L);
  pml_transport_record_deliver(pml_node_transport(lua->node), from, head, body,
                               e.kind == PML_ENV_BROADCAST ? except : uids);
  pml_lua_leave(lua, before);
  pml_buf_unref(head);
  pml_buf_unref(body);
  pml_buf_unref(except);
  pml_buf_unref(uids);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:peer(serverId, up): another server is there, or gone */
static int l_peer(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  const char *id = pml_lua_ctext(L, 2, "id");
  lua_State *before = pml_lua_enter(lua, L);
  pml_transport_record_peer(pml_node_transport(lua->node), id, lua_toboolean(L, 3));
  pml_lua_leave(lua, before);
  return 0;
}

static pml_lua *check_turn(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  if (lua->virt->turning || lua->filtering)
    luaL_error(L, "not from inside a function that this node calls");
  return lua;
}

/* node:advance(ms): time moves on, timers and deadlines fire in order */
static int l_advance(lua_State *L) {
  pml_lua *lua = check_turn(L);
  lua_Number ms = luaL_checknumber(L, 2);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 2, "milliseconds");
  lua_State *before = pml_lua_enter(lua, L);
  lua->virt->turning = 1;
  pml_loop_advance(lua->virt->loop, (uint64_t)ms);
  lua->virt->turning = 0;
  pml_lua_leave(lua, before);
  return 0;
}

/* node:settle(): end-of-turn work runs */
static int l_settle(lua_State *L) {
  pml_lua *lua = check_turn(L);
  lua_State *before = pml_lua_enter(lua, L);
  lua->virt->turning = 1;
  pml_loop_settle(lua->virt->loop);
  lua->virt->turning = 0;
  pml_lua_leave(lua, before);
  return 0;
}

/* node:close(): forgets everything; later calls raise */
static int l_close(lua_State *L) {
  pml_lua *lua = check_virtual(L);
  struct pml_virtual *v = lua->virt;
  pml_list *item;
  if (lua->busy) return luaL_error(L, "not from inside a function that this node calls");
  for (int i = 0; i < PML_ENTRIES; i++) luaL_unref(L, LUA_REGISTRYINDEX, lua->entry[i]);
  luaL_unref(L, LUA_REGISTRYINDEX, lua->channels);
  luaL_unref(L, LUA_REGISTRYINDEX, lua->env);
  while (!pml_list_empty(&v->clients)) {
    client *c = PML_CONTAINER(v->clients.next, client, node);
    pml_sessions_close(pml_node_sessions(lua->node), c->session);
    client_free(c);
  }
  pml_node_free(lua->node);
  while ((item = pml_list_pop(&v->asked))) pml_free(PML_CONTAINER(item, crossing, node));
  while ((item = pml_list_pop(&v->given))) pml_free(PML_CONTAINER(item, crossing, node));
  while ((item = pml_list_pop(&v->lines))) pml_free(PML_CONTAINER(item, line, node));
  while ((item = pml_list_pop(&v->sent))) {
    sent *s = PML_CONTAINER(item, sent, node);
    pml_buf_unref(s->bytes);
    pml_free(s);
  }
  pml_loop_free(v->loop);
  pml_free(v);
  lua->node = NULL;
  lua->virt = NULL;
  return 0;
}

/* Kept in C: a line is written in the middle of other work, where Lua may not raise. */
static void on_line(pml_level level, const char *text, void *ud) {
  struct pml_virtual *v = ud;
  size_t n = strlen(text);
  line *k = pml_alloc(sizeof *k + n + 1);
  k->level = level;
  memcpy(k->text, text, n + 1);
  pml_list_append(&v->lines, &k->node);
}

/* node:lines() -> array of {level=, text=}: all log lines so far */
static int l_lines(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  struct pml_virtual *v = check_virtual(L)->virt;
  int n = 0;
  lua_newtable(L);
  for (pml_list *i = v->lines.next; i != &v->lines; i = i->next) {
    line *k = PML_CONTAINER(i, line, node);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, levels[k->level < PML_SILENT ? k->level : PML_ERROR]);
    lua_setfield(L, -2, "level");
    lua_pushstring(L, k->text);
    lua_setfield(L, -2, "text");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
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
  {"lines", l_lines},
  {"close", l_close},
  {NULL, NULL},
};

void pml_lua_virtual_methods(lua_State *L) { luaL_setfuncs(L, methods, 0); }

/* core.node{id=, type=, frontend=} -> a virtual node */
static int l_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "id");
  lua_getfield(L, 1, "type");
  lua_getfield(L, 1, "frontend");
  pml_node_options o = {
    .id = pml_lua_ctext(L, 2, "id"),
    .type = pml_lua_ctext(L, 3, "type"),
    .frontend = lua_toboolean(L, 4),
  };
  struct pml_virtual *v = pml_alloc0(sizeof *v);
  pml_list_init(&v->sent);
  pml_list_init(&v->clients);
  pml_list_init(&v->lines);
  pml_list_init(&v->asked);
  pml_list_init(&v->given);
  v->loop = pml_loop_new_virtual();
  pml_log_init(&o.log, o.id, PML_DEBUG, 0);
  pml_node *node = pml_node_new(v->loop, &o);
  pml_node_use_recorder(node);
  pml_lua *lua = pml_lua_node_push(L, node, NULL);
  lua->virt = v;
  lua->budget = pml_budget_of(L);
  pml_node_log(node)->on_line = on_line;
  pml_node_log(node)->ud = v;
  return 1;
}

void pml_open_virtual(lua_State *L) {
  lua_pushcfunction(L, l_new);
  lua_setfield(L, -2, "node");
}
