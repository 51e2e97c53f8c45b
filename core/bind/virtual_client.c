/* virtual_client: the clients of a virtual node: what they do, and what they get, which is kept
 * until a test asks for it. */
#include "bind/node_methods.h"
#include "bind/virtual.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/frontend.h"
#include "script/values.h"
#include "wire/frame.h"

#include <string.h>

/* One frame, kick or close that a client would have got. */
typedef struct {
  pml_list node;
  pml_id sid;
  const char *kind; /* "data" "kick" "close" */
  pml_buf *bytes;
} sent;

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

static void client_address(pml_sink *sink, char ip[PML_ADDRESS_TEXT], int *port) {
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

/* node:openSession() -> sid */
static int l_open_session(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
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
  pml_lua *lua = pml__virtual_check(L);
  pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  lua_settop(L, 3);
  if (!lua_isboolean(L, 3) && lua_type(L, 3) != LUA_TNUMBER) luaL_optstring(L, 3, NULL);
  lua_pushboolean(L, s != NULL);
  if (!s || !s->sink) return 1;
  client *c = PML_CONTAINER(s->sink, client, sink);
  if (c->closing) return 1;
  read_reason(L, 3, c);
  c->closing = 1;
  if (lua->filtering) { /* C is walking the sessions: later */
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
  pml_lua *lua = pml__virtual_check(L);
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
  pml_lua *lua = pml__virtual_check(L);
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

void pml__virtual_clients_free(pml_lua *lua) {
  pml_virtual *v = lua->virt;
  pml_list *item;
  while (!pml_list_empty(&v->clients)) {
    client *c = PML_CONTAINER(v->clients.next, client, node);
    pml_sessions_close(pml_node_sessions(lua->node), c->session);
    client_free(c);
  }
  while ((item = pml_list_pop(&v->sent))) {
    sent *s = PML_CONTAINER(item, sent, node);
    pml_buf_unref(s->bytes);
    pml_free(s);
  }
}

const luaL_Reg pml_virtual_client_methods[] = {
  {"openSession", l_open_session},
  {"closeSession", l_close_session},
  {"clientData", l_client_data},
  {"sent", l_sent},
  {NULL, NULL},
};
