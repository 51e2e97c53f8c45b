/* l_rpc: methods of the node: calls to the scripts of other servers, and answers to theirs. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "node/calls_in.h"
#include "script/handle.h"
#include "script/json.h"
#include "script/values.h"

#include <math.h>

/* Encodes n values from index `first` as a JSON array. NULL: err says what cannot be. */
static pml_buf *args_block(lua_State *L, int first, int n, char *err, size_t nerr) {
  pml_writer w = {0};
  if (pml_json_args(L, first, n, &w, err, nerr) == 0) return pml_writer_finish(&w);
  pml_writer_drop(&w);
  return NULL;
}

/* How many values from index `first` on an argument says there are; missing ones become nil. */
static int check_count(lua_State *L, int arg, int first) {
  int n = (int)luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= 0 && n <= 250, arg, "a number of values from 0 to 250");
  luaL_checkstack(L, n + 8, "too many values");
  if (lua_gettop(L) < first - 1 + n) lua_settop(L, first - 1 + n);
  return n;
}

typedef int (*call_fn)(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                       pml_id *call);

static int call_by(lua_State *L, call_fn fn) {
  pml_lua *lua = pml_lua_check(L);
  size_t nname;
  const char *to = pml_lua_name(L, 2), *name = luaL_checklstring(L, 3, &nname);
  lua_Number ms = luaL_checknumber(L, 4);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 4, "milliseconds");
  int n = check_count(L, 5, 6);
  char err[256];
  pml_buf *args = args_block(L, 6, n, err, sizeof err);
  if (!args) return pml_lua_fail_name(L, "ENCODE", err);
  pml_id call;
  int rc = fn(lua->node, to, pml_slice_of(name, nname), args, (uint32_t)ceil(ms), &call);
  pml_buf_unref(args);
  if (rc == PML_ENOENT) {
    lua_pushfstring(L, "server '%s' is not there", to);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  if (rc == PML_EFULL) return pml_lua_fail(L, rc, "too many calls are waiting");
  if (rc) return pml_lua_fail(L, rc, "the call was not sent");
  if (call) lua_pushnumber(L, (lua_Number)call);
  else lua_pushboolean(L, 1);
  return 1;
}

/* node:call(serverId, name, ms, n, …) -> call | true | nil, message, NAME */
static int l_call(lua_State *L) { return call_by(L, pml_node_call); }

/* node:callAside(serverId, name, ms, n, …) -> as node:call; a stop does not wait for it */
static int l_call_aside(lua_State *L) { return call_by(L, pml_node_call_aside); }

static int reply_failed(lua_State *L, int rc) {
  return pml_lua_fail(L, rc, rc == PML_ECLOSED ? "this call has ended" : "the answer was not sent");
}

/* node:reply(call, n, …) -> true | nil, message, "CLOSED" | "ENCODE" | "TOOBIG": the call is still
 * open */
static int l_reply(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id call = pml_lua_id(L, 2);
  int n = check_count(L, 3, 4);
  char err[256];
  pml_buf *body = args_block(L, 4, n, err, sizeof err);
  if (!body) return pml_lua_fail_name(L, "ENCODE", err);
  int rc = pml_node_reply(lua->node, call, 0, body);
  pml_buf_unref(body);
  if (rc) return reply_failed(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:replyError(call, text) -> true | nil, message, "CLOSED" */
static int l_reply_error(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id call = pml_lua_id(L, 2);
  size_t n;
  const char *text = luaL_checklstring(L, 3, &n);
  pml_buf *body = pml_buf_from(text, n);
  int rc = pml_node_reply(lua->node, call, 1, body);
  pml_buf_unref(body);
  if (rc) return reply_failed(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg pml_rpc_methods[] = {
  {"call", l_call}, {"callAside", l_call_aside}, {"reply", l_reply}, {"replyError", l_reply_error},
  {NULL, NULL},
};
