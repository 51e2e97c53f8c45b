/* l_password: node:hashPassword and node:verifyPassword; core.hash_password and
 * core.verify_password for tools, which may wait for them. */
#include "bind/l_password.h"

#include "base/container.h"
#include "base/err.h"
#include "bind/node_methods.h"
#include "node/passwords.h"
#include "script/call.h"
#include "script/script_call.h"
#include "script/values.h"
#include "script/waiter.h"

typedef struct {
  pml_waiter waiter;
  pml_password *password;
} call;

typedef struct {
  int rc, same;
  const char *hash; /* NULL: it was compared */
} answer;

static void cancel(pml_waiter *w) {
  pml_node_password_cancel(PML_CONTAINER(w, call, waiter)->password);
}

static int push_answer(lua_State *L, const void *args) {
  const answer *a = args;
  if (a->rc) return pml_lua_fail(L, a->rc, "");
  if (a->hash) lua_pushstring(L, a->hash);
  else lua_pushboolean(L, a->same);
  return 1;
}

static void on_done(int rc, const char *hash, int same, void *ud) {
  pml_waiter *w = ud;
  pml_lua *lua = w->lua;
  const answer a = {rc, same, hash};
  const pml_lua_deferred d = {&w->fn, 0, push_answer, &a};
  pml_waiter_leave(w); /* the call may end the server, and with it all its waiters */
  pml_lua_defer(lua->L, &d);
  pml_script_call(lua, "password", pml_slice_of(NULL, 0), 1, 0);
  pml_waiter_free(w);
}

static pml_slice text_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

static int begin(lua_State *L, const pml_slice *hash, int fn) {
  pml_lua *lua = pml_lua_check(L);
  pml_slice text = text_at(L, 2);
  call *c = pml_waiter_new(L, lua, fn, sizeof *c, cancel);
  int rc = pml_node_password(lua->node, text, hash, on_done, c, &c->password);
  if (rc) {
    pml_waiter_free(&c->waiter);
    return pml_lua_fail(L, rc, "");
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* node:hashPassword(text, fn) -> true | nil, "", NAME: fn(hash) or fn(nil, "", NAME) later */
static int l_hash(lua_State *L) { return begin(L, NULL, 3); }

/* node:verifyPassword(text, hash, fn) -> true | nil, "", NAME: fn(boolean) or fn(nil, "", NAME)
 * later */
static int l_verify(lua_State *L) {
  pml_slice hash = text_at(L, 3);
  return begin(L, &hash, 4);
}

const luaL_Reg pml_password_methods[] = {
  {"hashPassword", l_hash}, {"verifyPassword", l_verify}, {NULL, NULL}};

/* core.hash_password(text, cost) -> hash | nil, "", NAME */
static int l_hash_now(lua_State *L) {
  char hash[PML_PASSWORD_HASH];
  lua_Integer cost = luaL_checkinteger(L, 2);
  luaL_argcheck(L, cost >= 1 && cost <= 11, 2, "a whole number from 1 to 11");
  answer a = {.hash = hash};
  a.rc = pml_password_hash(text_at(L, 1), (uint32_t)cost, hash);
  return push_answer(L, &a);
}

/* core.verify_password(text, hash) -> boolean | nil, "", NAME */
static int l_verify_now(lua_State *L) {
  answer a = {0};
  a.rc = pml_password_verify(text_at(L, 1), text_at(L, 2), &a.same);
  return push_answer(L, &a);
}

static const luaL_Reg functions[] = {
  {"hash_password", l_hash_now}, {"verify_password", l_verify_now}, {NULL, NULL}};

void pml_open_password(lua_State *L) { luaL_setfuncs(L, functions, 0); }
