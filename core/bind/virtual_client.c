/* virtual_client: the clients of a virtual node: what they do, and what they get, which is kept
 * until a test asks for it. */
#include "bind/node_methods.h"
#include "bind/virtual.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/frontend.h"
#include "script/ctext.h"
#include "script/values.h"
#include "wire/frame.h"

#include <string.h>

/* One frame, kick or close that a client would have got. */
typedef struct {
  pml_list node;
  pml_id sid;
  const char *kind; /* "data" "kick" "close" "handshake" */
  pml_buf *bytes;
} sent;

typedef struct {
  pml_sink sink;
  pml_list node;
  pml_task end;
  pml_lua *lua;
  pml_session *session;
  pml_buf *reason; /* owned; NULL: none */
  pml_buf *head;   /* owned: its HTTP request; NULL: none */
  char ip[PML_ADDRESS_TEXT];
  int port;
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

/* A client that is never behind: all that is pushed reaches it. */
static pml_offered client_offer(pml_sink *sink, pml_buf *frame, pml_delivery how) {
  (void)how;
  client_send(sink, frame);
  return PML_OFFER_QUEUED;
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

static void client_end_for(pml_sink *sink, int why, pml_slice text) {
  client *c = PML_CONTAINER(sink, client, sink);
  const char *name = pml_end_name((pml_end)why);
  if (c->closing) return;
  client_gone(c, text, text.p != NULL);
  pml_buf_unref(c->reason);
  c->kind = PML_CLOSE_TEXT;
  c->reason = pml_buf_from(name, strlen(name));
}

static void client_address(pml_sink *sink, char ip[PML_ADDRESS_TEXT], int *port) {
  const client *c = PML_CONTAINER(sink, client, sink);
  memcpy(ip, c->ip, PML_ADDRESS_TEXT);
  *port = c->port;
}

/* Its session is another one; NULL: none, and it is closed, of which nobody hears. */
static void client_hand(pml_sink *sink, pml_session *to) {
  client *c = PML_CONTAINER(sink, client, sink);
  pml_id sid = c->session->id;
  c->session = to;
  if (to || c->closing) return;
  c->closing = 1;
  keep(c->lua, sid, "close", NULL);
  pml_loop_defer(c->lua->virt->loop, &c->end);
}

static const pml_sink_calls client_calls = {client_send,    client_offer, client_close,
                                            client_leave,   client_leave, client_end_for,
                                            client_address, client_hand};

static void client_free(client *c) {
  pml_list_remove(&c->node);
  pml_task_cancel(&c->end);
  pml_buf_unref(c->reason);
  pml_buf_unref(c->head);
  pml_free(c);
}

static void client_end(pml_task *t) {
  client *c = PML_CONTAINER(t, client, end);
  pml_close_reason why = {.kind = c->kind, .code = c->code, .text = pml_buf_slice(c->reason)};
  if (c->session) pml_frontend_closed(c->lua->node, c->session, &why);
  client_free(c);
}

/* The client of a session of a virtual node; NULL: there is none. */
static client *client_of(pml_lua *lua, pml_id sid) {
  const pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), sid);
  pml_sink *line = s ? pml_frontend_line(s) : NULL;
  return line && line->calls == &client_calls ? PML_CONTAINER(line, client, sink) : NULL;
}

pml_slice pml__virtual_head(pml_lua *lua, pml_id sid) {
  const client *c = client_of(lua, sid);
  return pml_buf_slice(c ? c->head : NULL);
}

int pml__virtual_handshake(pml_lua *lua, pml_id sid, int code, pml_slice json) {
  client *c = client_of(lua, sid);
  if (!c || c->closing) return PML_ENOENT;
  pml_buf *b = pml_buf_from(json.p, json.n);
  keep(lua, sid, "handshake", b);
  pml_buf_unref(b);
  if (code != 200) client_leave(&c->sink, pml_slice_str("handshake"));
  return 0;
}

/* node:openSession(ip | nil, port | nil, head | nil) -> sid: of a client at that address, 127.0.0.1
 * and 1 when left out; head: its HTTP request */
static int l_open_session(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  const char *ip = lua_isnoneornil(L, 2) ? "127.0.0.1" : pml_lua_ctext(L, 2, "ip");
  int port = (int)luaL_optinteger(L, 3, 1);
  size_t n = 0;
  const char *head = luaL_optlstring(L, 4, NULL, &n);
  luaL_argcheck(L, strlen(ip) < PML_ADDRESS_TEXT, 2, "it is no address");
  client *c = pml_alloc0(sizeof *c);
  strcpy(c->ip, ip);
  c->port = port;
  c->head = head ? pml_buf_from(head, n) : NULL;
  c->sink = (pml_sink){&client_calls};
  c->lua = lua;
  pml_task_init(&c->end, client_end);
  pml_list_init(&c->node);
  c->session = pml_sessions_open(pml_node_sessions(lua->node), &c->sink);
  if (!c->session) {
    pml_buf_unref(c->head);
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
  const pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  lua_settop(L, 3);
  if (!lua_isboolean(L, 3) && lua_type(L, 3) != LUA_TNUMBER) luaL_optstring(L, 3, NULL);
  lua_pushboolean(L, s != NULL);
  client *c = client_of(lua, pml_lua_id(L, 2));
  if (!c || c->closing) return 1;
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

/* node:cutSession(sid) -> boolean: the line of the client is lost; whether the session waits for it
 */
static int l_cut_session(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  client *c = client_of(lua, pml_lua_id(L, 2));
  const pml_close_reason why = {.kind = PML_CLOSE_FLAG, .code = 1};
  if (!c || c->closing) return pml_lua_fail(L, PML_ENOENT, "there is no such client");
  lua_State *before = pml_lua_enter(lua, L);
  int waits = pml_frontend_lost(lua->node, c->session, &why);
  if (!waits) pml_frontend_closed(lua->node, c->session, &why);
  pml_lua_leave(lua, before);
  client_free(c);
  lua_pushboolean(L, waits);
  return 1;
}

/* node:clientAck(sid) -> boolean: the client has the answer to its handshake */
static int l_client_ack(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  const client *c = client_of(lua, pml_lua_id(L, 2));
  lua_pushboolean(L, c != NULL);
  if (!c || c->closing) return 1;
  lua_State *before = pml_lua_enter(lua, L);
  pml_frontend_acked(lua->node, c->session);
  pml_lua_leave(lua, before);
  return 1;
}

/* node:clientData(sid, bytes) -> true | nil, message, "PROTO" | "NOENT" | "CLOSED": a DATA body
 * comes from the client; one that sends too much is closed, as a real one is */
static int l_client_data(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  size_t n;
  const char *bytes = luaL_checklstring(L, 3, &n);
  client *c = client_of(lua, pml_lua_id(L, 2));
  if (!c) return pml_lua_fail(L, PML_ENOENT, "there is no such session");
  if (c->closing) return pml_lua_fail(L, PML_ECLOSED, "this client is being closed");
  lua_State *before = pml_lua_enter(lua, L);
  int rc = pml_frontend_data(lua->node, c->session, pml_slice_of(bytes, n));
  pml_lua_leave(lua, before);
  if (rc == PML_EFULL) client_gone(c, pml_slice_str("rate"), 0);
  else if (rc) return pml_lua_fail(L, rc, "these bytes are no message");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:clientHandshake(sid, body) -> true | nil, message, "NOENT": its HANDSHAKE comes */
static int l_client_handshake(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  size_t n;
  const char *body = luaL_checklstring(L, 3, &n);
  client *c = client_of(lua, pml_lua_id(L, 2));
  if (!c || c->closing) return pml_lua_fail(L, PML_ENOENT, "there is no such client");
  lua_State *before = pml_lua_enter(lua, L);
  pml_frontend_shake(lua->node, c->session, pml_slice_of(body, n));
  pml_lua_leave(lua, before);
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
    if (c->session) {
      pml_frontend_forget(lua->node, c->session);
      pml_sessions_close(pml_node_sessions(lua->node), c->session);
    }
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
  {"cutSession", l_cut_session},
  {"clientAck", l_client_ack},
  {"clientData", l_client_data},
  {"clientHandshake", l_client_handshake},
  {"sent", l_sent},
  {NULL, NULL},
};
