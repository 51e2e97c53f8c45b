/* l_request: methods of the node about clients' messages: answers, forwarding, handshakes. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "node/calls_in.h"
#include "node/frontend.h"
#include "node/route.h"
#include "node/requests.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/json.h"
#include "script/values.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

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
  if (pml_json_write(L, 3, &w, "msg", err, sizeof err) != 0) {
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

/* node:defaultRoute(type, key) -> serverId | nil: of the servers of that type that are there, the
 * one that Pomelo's default route gives a key, a uid as a rule */
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

/* node:handshake(sid, code, json) -> true | nil, message, "NOENT" */
static int l_handshake(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  pml_id sid = pml_lua_id(L, 2);
  int code = (int)luaL_checkinteger(L, 3);
  const char *json = luaL_checklstring(L, 4, &n);
  int rc = pml_frontend_handshake(lua->node, sid, code, pml_slice_of(json, n));
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
  {"answer", l_answer},
  {"forward", l_forward},
  {"defaultRoute", l_default_route},
  {"setRouted", l_set_routed},
  {"handshake", l_handshake},
  {"setGeneration", l_set_generation},
  {"older", l_older},
  {NULL, NULL},
};
