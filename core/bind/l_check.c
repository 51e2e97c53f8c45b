/* l_check: node:check: a text that a process of its own parses before a server loads it. */
#include "bind/node_methods.h"

#include "base/container.h"
#include "loop/child.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/script_call.h"
#include "script/values.h"
#include "script/waiter.h"

#define CHECK_MS 5000

typedef struct {
  pml_waiter waiter;
  pml_child *child; /* NULL when there is no process */
} check;

static void cancel(pml_waiter *w) {
  check *c = PML_CONTAINER(w, check, waiter);
  if (c->child) pml_child_cancel(c->child);
}

typedef struct {
  int status, sig;
  pml_slice said;
} end_args;

static int push_end(lua_State *L, const void *args) {
  const end_args *a = args;
  lua_pushinteger(L, a->status);
  lua_pushinteger(L, a->sig);
  lua_pushlstring(L, (const char *)a->said.p, a->said.n);
  return 3;
}

static void on_end(int status, int sig, pml_slice said, void *ud) {
  pml_waiter *w = ud;
  pml_lua *lua = w->lua;
  const end_args a = {status, sig, said};
  const pml_lua_deferred d = {&w->fn, 0, push_end, &a};
  pml_waiter_leave(w); /* the call may end the server, and with it all its waiters */
  pml_lua_defer(lua->L, &d);
  pml_script_call(lua, "checked", pml_slice_of(NULL, 0), 1, 0);
  pml_waiter_free(w);
}

/* node:check(name, text, fn) -> true | nil, message, NAME: parses a text in another process;
 * fn(status, signal, message) when that has ended: 0, 0 when it is Lua */
static int l_check(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *name = pml_lua_ctext(L, 2, "name"), *text = luaL_checklstring(L, 3, &n);
  const char *argv[] = {"/proc/self/exe", "--check", name, NULL};
  check *c = pml_waiter_new(L, lua, 4, sizeof *c, cancel);
  pml_buf *input = pml_buf_from(text, n);
  int rc = pml_child_start(pml_node_loop(lua->node), argv, input, CHECK_MS, on_end, c, &c->child);
  pml_buf_unref(input);
  if (rc) {
    pml_waiter_free(&c->waiter);
    return pml_lua_fail(L, rc, "no process to check the text in");
  }
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg pml_check_methods[] = {{"check", l_check}, {NULL, NULL}};
