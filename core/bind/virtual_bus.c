/* virtual_bus: the other servers of a virtual node: records that it has sent, given to a test as
 * tables, and tables of a test that become records. */
#include "bind/node_methods.h"
#include "bind/virtual.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/mem.h"
#include "bus/transport_record.h"
#include "node/credits.h"
#include "script/ctext.h"
#include "script/values.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/package.h"

#include <stdio.h>
#include <string.h>

/* A record that went to another server, or came from one, and waits for its answer. Its kind says
 * how the answer is converted: the answer to a forwarded message is a frame inside and the bytes of
 * a message outside, the answer to a push is a list of uids. Call ids are the asking server's. */
typedef struct {
  pml_list node;
  uint64_t call;
  uint8_t kind;
  char server[]; /* the other side */
} waiting;

/* The name of each kind of record, by PML_ENV_*; no record has the first. */
static const char *const kinds[] = {"",     "call",   "forward", "answer",   "push", "broadcast",
                                    "send", "credit", "channel", "interest", NULL};

static void set_slice(lua_State *L, const char *name, pml_slice s) {
  if (!s.n) return;
  lua_pushlstring(L, (const char *)s.p, s.n);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, name);
}

/* Remembers a record that will be answered. */
static void remember(pml_list *where, const char *server, const pml_envelope *e) {
  if (!e->call || e->kind == PML_ENV_CALL || e->kind == PML_ENV_ANSWER) return;
  size_t n = strlen(server);
  waiting *x = pml_alloc(sizeof *x + n + 1);
  x->call = e->call;
  x->kind = e->kind;
  memcpy(x->server, server, n + 1);
  pml_list_append(where, &x->node);
}

/* The kind of the record that this answers, 0 if none was remembered; then it is forgotten. */
static int answered_kind(pml_list *where, const char *server, uint64_t call) {
  for (pml_list *i = where->next; i != where; i = i->next) {
    waiting *x = PML_CONTAINER(i, waiting, node);
    if (x->call != call || strcmp(x->server, server) != 0) continue;
    int kind = x->kind;
    pml_list_remove(i);
    pml_free(x);
    return kind;
  }
  return 0;
}

static int is_push(const pml_envelope *e) {
  return (e->kind >= PML_ENV_PUSH && e->kind <= PML_ENV_SEND) || e->kind == PML_ENV_CHANNEL;
}

static void set_flag(lua_State *L, const char *name, int on) {
  lua_pushboolean(L, on);
  lua_setfield(L, -2, name);
}

static void set_uids(lua_State *L, const char *name, pml_slice list) {
  pml_lua_push_uids(L, list);
  lua_setfield(L, -2, name);
}

/* The fields that belong to one kind of record only. */
static void set_own_fields(lua_State *L, const pml_envelope *e, pml_buf *extra) {
  switch (e->kind) {
  case PML_ENV_CALL:
    if (e->flags & PML_ENV_ASIDE) set_flag(L, "aside", 1);
    break;
  case PML_ENV_ANSWER: set_number(L, "status", e->status); break;
  case PML_ENV_FORWARD:
    set_number(L, "session", (double)e->session);
    set_number(L, "msgType", e->msg_type);
    set_number(L, "msgId", e->call ? e->msg_id : 0);
    set_slice(L, "settings", e->settings);
    pml_lua_push_uid(L, e->uid);
    lua_setfield(L, -2, "uid");
    break;
  case PML_ENV_PUSH:
    set_uids(L, "uids", pml_buf_slice(extra));
    set_uids(L, "except", e->param);
    break;
  case PML_ENV_BROADCAST:
    set_slice(L, "param", e->param);
    set_uids(L, "except", pml_buf_slice(extra));
    set_flag(L, "binded", e->flags & PML_ENV_BINDED);
    set_flag(L, "filter", e->flags & PML_ENV_FILTER);
    break;
  case PML_ENV_CHANNEL: set_uids(L, "except", pml_buf_slice(extra)); break;
  case PML_ENV_SEND: set_number(L, "session", (double)e->session); break;
  default: break;
  }
  if (e->flags & PML_ENV_LATEST) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)e->identity);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "identity");
    lua_pushliteral(L, "latest");
  } else if (e->flags & PML_ENV_DROP) lua_pushliteral(L, "drop");
  else return;
  lua_setfield(L, -2, "delivery");
}

/* The body as Lua sees it: what is a framed block inside is the bytes of a message outside. */
static void set_body(lua_State *L, const pml_envelope *e, int answers, pml_buf *body) {
  int good = e->status == 0;
  if (e->kind == PML_ENV_FORWARD) {
    set_slice(L, "body", e->param);
  } else if (good && (answers == PML_ENV_PUSH || answers == PML_ENV_BROADCAST)) {
    set_uids(L, "uids", pml_buf_slice(body));
  } else {
    int framed = is_push(e) || (good && answers == PML_ENV_FORWARD);
    framed = framed && body && body->len >= PML_FRAME_ROOM;
    set_slice(L, "body", framed ? pml_frame_body(body) : pml_buf_slice(body));
  }
}

/* Pushes a record that this node has sent, as l_deliver takes one. */
static void push_record(lua_State *L, const pml_lua *lua, const char *to, const pml_envelope *e,
                        pml_buf *body, pml_buf *extra) {
  pml_virtual *v = lua->virt;
  int answers = 0;
  if (e->kind == PML_ENV_ANSWER) answers = answered_kind(&v->given, to, e->call);
  else remember(&v->asked, to, e);
  lua_newtable(L);
  lua_pushstring(L, to);
  lua_setfield(L, -2, "to");
  lua_pushstring(L, e->kind <= PML_ENV_INTEREST ? kinds[e->kind] : "?");
  lua_setfield(L, -2, "kind");
  if (e->call) set_number(L, "call", (double)e->call);
  if (e->ms) set_number(L, "ms", e->ms);
  set_slice(L, "route", e->route);
  lua_pushstring(L, pml_node_id(lua->node)); /* a transport names the sender, the head does not */
  lua_setfield(L, -2, "from");
  set_own_fields(L, e, extra);
  set_body(L, e, answers, body);
}

/* node:outbox() -> array of what was sent to other servers since the last call */
static int l_outbox(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  pml_buf *head, *body, *extra;
  char *to;
  int n = 0;
  lua_newtable(L);
  while (pml_transport_record_take(pml_node_transport(lua->node), &to, &head, &body, &extra)) {
    pml_envelope e;
    if (pml_envelope_read(pml_buf_slice(head), &e) == 0) {
      /* What stands for the other server handles a notify when it gets it. */
      if (e.kind == PML_ENV_FORWARD && !e.call) pml_credits_handled(lua->node, e.session, 1);
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
static void read_record(lua_State *L, pml_envelope *e, char buf[PML_NUMBER_TEXT]) {
  lua_getfield(L, 2, "kind");
  *e = (pml_envelope){.kind = (uint8_t)(luaL_checkoption(L, -1, NULL, kinds))};
  lua_pop(L, 1);
  e->call = number_field(L, 2, "call", PML_LUA_WHOLE);
  e->ms = (uint32_t)number_field(L, 2, "ms", 4294967295.0);
  e->session = number_field(L, 2, "session", PML_LUA_WHOLE);
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

/* The body as the node gets it, owned: see set_body. */
static pml_buf *body_of(const pml_envelope *e, int answers, pml_slice bytes, pml_buf *uids) {
  int good = e->status == 0;
  if (is_push(e) || (answers == PML_ENV_FORWARD && good))
    return pml_frame_of(PML_PKG_DATA, bytes.p, bytes.n);
  if (answers && answers != PML_ENV_FORWARD && good) return pml_buf_ref(uids);
  return pml_buf_from(bytes.p, bytes.n);
}

/* node:deliver{from=, kind=, call=, ms=, session=, uid=, settings=, route=, msgType=, msgId=,
 * status=, body=, uids=, except=, binded=, filter=, param=} -> true: a record as outbox gives it,
 * as if it came from the bus */
static int l_deliver(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  char buf[PML_NUMBER_TEXT];
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
  int answers = e.kind == PML_ENV_ANSWER ? answered_kind(&lua->virt->asked, from, e.call) : 0;
  if (e.kind == PML_ENV_PUSH) e.param = pml_buf_slice(except);
  if (e.kind == PML_ENV_FORWARD) e.param = bytes;
  pml_buf *head = pml_envelope_write(&e), *body = body_of(&e, answers, bytes, uids);
  remember(&lua->virt->given, from, &e);
  int by_name = e.kind == PML_ENV_BROADCAST || e.kind == PML_ENV_CHANNEL;
  lua_State *before = pml_lua_enter(lua, L);
  pml_transport_record_deliver(pml_node_transport(lua->node), from, head, body,
                               by_name ? except : uids);
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
  pml_lua *lua = pml__virtual_check(L);
  const char *id = pml_lua_ctext(L, 2, "id");
  lua_State *before = pml_lua_enter(lua, L);
  pml_transport_record_peer(pml_node_transport(lua->node), id, lua_toboolean(L, 3));
  pml_lua_leave(lua, before);
  return 0;
}

void pml__virtual_bus_free(pml_virtual *v) {
  pml_list *item;
  while ((item = pml_list_pop(&v->asked))) pml_free(PML_CONTAINER(item, waiting, node));
  while ((item = pml_list_pop(&v->given))) pml_free(PML_CONTAINER(item, waiting, node));
}

const luaL_Reg pml_virtual_bus_methods[] = {
  {"outbox", l_outbox}, {"deliver", l_deliver}, {"peer", l_peer}, {NULL, NULL}};
