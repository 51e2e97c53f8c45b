/* l_request: methods of the node about clients' messages: answers, forwarding, handshakes. */
#include "bind/node_methods.h"
#include "bind/virtual.h"

#include "base/err.h"
#include "node/calls_in.h"
#include "node/filtered.h"
#include "node/forms.h"
#include "node/frontend.h"
#include "node/rate.h"
#include "node/route.h"
#include "node/requests.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/json.h"
#include "script/values.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

static int is_error(pml_writer *w, size_t at) {
  pml_slice body = pml_slice_of(pml_writer_at(w, at), w->len - at);
  return pml_slice_eq(body, pml_slice_str("{\"code\":500}"));
}

/* Appends the answer as JSON. {"code":500} is no message of a handler: it goes to a client whatever
 * the definitions say of its route. */
static int write_answer(lua_State *L, pml_node *n, pml_id request, pml_writer *w, char *err,
                        size_t nerr) {
  size_t at = w->len;
  int rc = pml_json_write(L, 3, w, "msg", err, nerr);
  if (rc || is_error(w, at)) return rc;
  return pml_forms_check(n, pml_requests_route(n, request), w, at, err, nerr);
}

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *p = luaL_checklstring(L, idx, &n);
  return pml_slice_of(p, n);
}

/* node:answer(request, value) -> true | nil, message, "CLOSED" | "ENCODE" | "TOOBIG" */
static int l_answer(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id request = pml_lua_id(L, 2);
  luaL_checkany(L, 3);
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = pml_requests_msg_id(lua->node, request)};
  if (!m.id) return pml_lua_fail(L, PML_ECLOSED, "this request has been answered");
  char err[256];
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  if (write_answer(L, lua->node, request, &w, err, sizeof err) != 0) {
    pml_writer_drop(&w);
    return pml_lua_fail_name(L, "ENCODE", err);
  }
  pml_buf *frame = pml_frame_end(&w, PML_PKG_DATA);
  if (!frame) return pml_lua_fail(L, PML_ETOOBIG, "the answer is above 16 MiB");
  int rc = pml_requests_answer(lua->node, request, frame);
  pml_buf_unref(frame);
  if (rc) return pml_lua_fail(L, rc, "this request has been answered");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:timeLeft("request" | "call", id) -> milliseconds that a client's request, or another
 * server's call, may still take | nil: it was answered, or its time is over */
static int l_time_left(lua_State *L) {
  static const char *const kinds[] = {"request", "call", NULL};
  pml_lua *lua = pml_lua_check(L);
  int is_call = luaL_checkoption(L, 2, NULL, kinds);
  pml_id id = pml_lua_id(L, 3);
  int64_t ms = is_call ? pml_calls_in_left(lua->node, id) : pml_requests_left(lua->node, id);
  if (ms < 0) return 0;
  lua_pushnumber(L, (lua_Number)ms);
  return 1;
}

/* node:forward(pending, serverId | nil) -> true | nil, message, "CLOSED" | "NOENT" | … */
static int l_forward(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *to = lua_isnoneornil(L, 3) ? NULL : pml_lua_name(L, 3);
  int rc = pml_route_choose(lua->node, pml_lua_id(L, 2), to);
  if (rc == PML_ECLOSED)
    return pml_lua_fail(L, rc, "this message has been forwarded, or its client is gone");
  if (rc && to) {
    lua_pushfstring(L, "server '%s' takes no messages now", to);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:setFiltered(boolean): whether messages for other server types come to the scripts first */
static int l_set_filtered(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_filtered_set(lua->node, lua_toboolean(L, 2));
  return 0;
}

/* node:sendOn(request | nil, sid, serverId, route, body, settings | nil, watched) -> true | nil,
 * message, "CLOSED" | "NOENT" | … : a client's message goes to another server. settings: JSON in
 * place of the session's own; watched: entries.returned is called when the answer has come */
static int l_send_on(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *to = pml_lua_name(L, 4);
  pml_filtered_message m = {
    .request = lua_isnil(L, 2) ? 0 : pml_lua_id(L, 2),
    .session = pml_lua_id(L, 3),
    .watched = lua_toboolean(L, 8),
  };
  m.route = slice_at(L, 5);
  m.body = slice_at(L, 6);
  if (!lua_isnil(L, 7)) m.settings = slice_at(L, 7);
  int rc = pml_filtered_send(lua->node, &m, to);
  if (rc == PML_ECLOSED)
    return pml_lua_fail(L, rc, "this message has been answered, or its client is gone");
  if (rc) {
    lua_pushfstring(L, "server '%s' takes no messages now", to);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:defaultRoute(type, key) -> serverId | nil: of the servers of that type that are there, the
 * one that proxyConfig.routerType gives a key, a uid as a rule */
static int l_default_route(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t ntype, nkey;
  const char *type = luaL_checklstring(L, 2, &ntype), *key = luaL_checklstring(L, 3, &nkey);
  const pml_server_info *to =
    pml_node_route(lua->node, pml_slice_of(type, ntype), pml_slice_of(key, nkey));
  lua_pushstring(L, to ? to->id : NULL);
  return 1;
}

/* node:setRouted(type, boolean) */
static int l_set_routed(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *type = pml_lua_ctext(L, 2, "type");
  pml_route_set(lua->node, type, lua_toboolean(L, 3));
  return 0;
}

/* node:routeCost(route, cost): what one message of it costs of connectorConfig.rate */
static int l_route_cost(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_slice route = slice_at(L, 2);
  lua_Integer cost = luaL_checkinteger(L, 3);
  luaL_argcheck(L, cost >= 0 && cost <= (lua_Integer)PML_RATE_COST_MAX, 3, "no cost");
  pml_rate_cost(lua->node, route, (uint32_t)cost);
  return 0;
}

/* node:handshake(sid, code, json) -> true | nil, message, "NOENT" */
static int l_handshake(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  pml_id sid = pml_lua_id(L, 2);
  int code = (int)luaL_checkinteger(L, 3);
  const char *json = luaL_checklstring(L, 4, &n);
  pml_slice text = pml_slice_of(json, n);
  int rc = lua->virt ? pml__virtual_handshake(lua, sid, code, text)
                     : pml_frontend_handshake(lua->node, sid, code, text);
  if (rc) return pml_lua_fail(L, rc, "the client is gone");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:setGeneration(number): of the scripts; requests and calls that come from here on get it */
static int l_set_generation(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_node_set_generation(lua->node, (uint32_t)luaL_checkinteger(L, 2));
  return 0;
}

static void add_older(pml_id id, uint32_t generation, void *ud) {
  lua_State *L = ud;
  lua_pushnumber(L, (lua_Number)id);
  lua_pushnumber(L, generation);
  lua_rawset(L, -3);
}

/* node:older() -> requests, calls: open ones of earlier generations, {[id] = generation} */
static int l_older(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  lua_newtable(L);
  pml_requests_older(lua->node, add_older, L);
  lua_newtable(L);
  pml_calls_in_older(lua->node, add_older, L);
  return 2;
}

const luaL_Reg pml_request_methods[] = {
  {"answer", l_answer},        {"timeLeft", l_time_left},
  {"forward", l_forward},      {"defaultRoute", l_default_route},
  {"setRouted", l_set_routed}, {"setFiltered", l_set_filtered},
  {"sendOn", l_send_on},       {"routeCost", l_route_cost},
  {"handshake", l_handshake},  {"setGeneration", l_set_generation},
  {"older", l_older},          {NULL, NULL},
};
