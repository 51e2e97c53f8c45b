/* l_resume: methods of the node about clients that come back to their sessions. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "node/frontend.h"
#include "script/handle.h"
#include "script/values.h"

/* What a client says is anything: a token that is no string, a number that is none. */
static pml_slice token_at(lua_State *L, int idx) {
  size_t n = 0;
  const char *p = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
  return pml_slice_of(p, n);
}

static double seen_at(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TNUMBER ? lua_tonumber(L, idx) : -1;
}

/* node:resumable(token, received) -> sid | nil: the session that a client goes on with, when it has
 * this token and has taken so many packages; both may be anything. Nothing is changed. */
static int l_resumable(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id sid;
  if (pml_frontend_resumable(lua->node, token_at(L, 2), seen_at(L, 3), &sid) != PML_RESUME_CAN)
    return 0;
  lua_pushnumber(L, (lua_Number)sid);
  return 1;
}

/* node:notResumed(token, received): the client that has said so does not go on: it is counted, and
 * the session whose token it is ends */
static int l_not_resumed(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_frontend_resume_not(lua->node, token_at(L, 2), seen_at(L, 3));
  return 0;
}

/* node:resume(sid, token, received) -> sid of the session, new token, how many packages of the
 * client were taken, whether its line before was open still | nil, message, "NOENT" | "INVAL" |
 * "IO": the connection of sid, whose handshake is about to be answered, becomes that of the session
 */
static int l_resume(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_resume_answer answer;
  pml_id sid;
  int rc =
    pml_frontend_resume(lua->node, pml_lua_id(L, 2), token_at(L, 3), seen_at(L, 4), &sid, &answer);
  if (rc == PML_EINVAL) return pml_lua_fail(L, rc, "its messages would have another form");
  if (rc == PML_EIO) return pml_lua_fail(L, rc, "the system gives no random bytes");
  if (rc) return pml_lua_fail(L, rc, "the session is gone");
  lua_pushnumber(L, (lua_Number)sid);
  lua_pushstring(L, answer.token);
  lua_pushnumber(L, (lua_Number)answer.received);
  lua_pushboolean(L, answer.was_open);
  return 4;
}

/* node:keepSession(sid) -> token | nil, message, "NOENT" | "INVAL" | "IO": the session, whose
 * handshake is about to be answered, waits for its client when its line is lost */
static int l_keep_session(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char token[PML_RESUME_TOKEN + 1];
  int rc = pml_frontend_keep(lua->node, pml_lua_id(L, 2), token);
  if (rc == PML_EIO) return pml_lua_fail(L, rc, "the system gives no random bytes");
  if (rc) return pml_lua_fail(L, rc, "there is no session that could be kept");
  lua_pushstring(L, token);
  return 1;
}

/* node:isWaiting(sid) -> boolean: whether it has no connection */
static int l_is_waiting(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const pml_session *s = pml_sessions_get(pml_node_sessions(lua->node), pml_lua_id(L, 2));
  lua_pushboolean(L, s && s->resumes && !pml_frontend_line(s));
  return 1;
}

const luaL_Reg pml_resume_methods[] = {
  {"resumable", l_resumable},      {"notResumed", l_not_resumed}, {"resume", l_resume},
  {"keepSession", l_keep_session}, {"isWaiting", l_is_waiting},   {NULL, NULL},
};
