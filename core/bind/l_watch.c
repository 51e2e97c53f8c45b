#include "bind/l_watch.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/call.h"
#include "script/ctext.h"
#include "loop/child.h"
#include "loop/watch.h"

#define CHECK_MS 5000

/* A function of a script that waits for something. */
typedef struct {
  pml_list node; /* pml_lua.waiting */
  pml_lua *lua;
  int fn; /* registry reference */
  pml_id id;
  pml_watch *watch; /* or */
  pml_child *child;
} waiter;

static waiter *waiter_new(lua_State *L, pml_lua *lua, int fn) {
  waiter *w = pml_alloc0(sizeof *w);
  luaL_checktype(L, fn, LUA_TFUNCTION);
  w->lua = lua;
  lua_pushvalue(L, fn);
  w->fn = luaL_ref(L, LUA_REGISTRYINDEX);
  if (!lua->waiting.next) pml_list_init(&lua->waiting);
  pml_list_append(&lua->waiting, &w->node);
  w->id = ++lua->last_waiter;
  return w;
}

static void waiter_free(waiter *w) {
  luaL_unref(w->lua->L, LUA_REGISTRYINDEX, w->fn);
  pml_list_remove(&w->node);
  pml_free(w);
}

static waiter *find(pml_lua *lua, pml_id id) {
  if (!lua->waiting.next) return NULL;
  for (pml_list *n = lua->waiting.next; n != &lua->waiting; n = n->next) {
    waiter *w = PML_CONTAINER(n, waiter, node);
    if (w->id == id) return w;
  }
  return NULL;
}

static void call(pml_lua *lua, int nargs, const char *what) {
  pml_budget_enter(lua->budget, what, pml_slice_of(NULL, 0));
  pml_lua_call(lua->L, nargs, 0, pml_node_log(lua->node), what);
  pml_budget_leave(lua->budget);
  pml_memory_check(&lua->memory);
}

static void on_event(const char *name, void *ud) {
  waiter *w = ud;
  pml_lua *lua = w->lua;
  lua_rawgeti(lua->L, LUA_REGISTRYINDEX, w->fn);
  lua_pushstring(lua->L, name); /* NULL pushes nil */
  call(lua, 1, "watched");
}

/* node:watch(folder, fn) -> id | nil, message, NAME: fn(name | nil) for what happens in it */
static int l_watch(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *folder = pml_lua_ctext(L, 2, "folder");
  luaL_checktype(L, 3, LUA_TFUNCTION);
  waiter *w = waiter_new(L, lua, 3);
  int rc = pml_watch_open(pml_node_loop(lua->node), folder, on_event, w, &w->watch);
  if (rc) {
    waiter_free(w);
    lua_pushfstring(L, "%s: cannot be watched", folder);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  lua_pushnumber(L, (lua_Number)w->id);
  return 1;
}

/* node:unwatch(id) -> boolean */
static int l_unwatch(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  waiter *w = find(lua, pml_lua_id(L, 2));
  int there = w && w->watch;
  if (there) {
    pml_watch_close(w->watch);
    waiter_free(w);
  }
  lua_pushboolean(L, there);
  return 1;
}

static void on_end(int status, int sig, pml_slice said, void *ud) {
  waiter *w = ud;
  pml_lua *lua = w->lua;
  lua_rawgeti(lua->L, LUA_REGISTRYINDEX, w->fn);
  lua_pushinteger(lua->L, status);
  lua_pushinteger(lua->L, sig);
  lua_pushlstring(lua->L, (const char *)said.p, said.n);
  waiter_free(w);
  call(lua, 3, "checked");
}

/* node:check(name, text, fn) -> true | nil, message, NAME: parses a text in another process;
 * fn(status, signal, message) when that has ended: 0, 0 when it is Lua */
static int l_check(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *name = pml_lua_ctext(L, 2, "name"), *text = luaL_checklstring(L, 3, &n);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  const char *argv[] = {"/proc/self/exe", "--check", name, NULL};
  waiter *w = waiter_new(L, lua, 4);
  pml_buf *input = pml_buf_from(text, n);
  int rc = pml_child_start(pml_node_loop(lua->node), argv, input, CHECK_MS, on_end, w, &w->child);
  pml_buf_unref(input);
  if (rc) {
    waiter_free(w);
    return pml_lua_fail(L, rc, "no process to check the text in");
  }
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
  {"watch", l_watch},
  {"unwatch", l_unwatch},
  {"check", l_check},
  {NULL, NULL},
};

void pml_lua_watch_methods(lua_State *L) { luaL_setfuncs(L, methods, 0); }

void pml_lua_watch_end(pml_lua *lua) {
  while (lua->waiting.next && !pml_list_empty(&lua->waiting)) {
    waiter *w = PML_CONTAINER(lua->waiting.next, waiter, node);
    if (w->watch) pml_watch_close(w->watch);
    if (w->child) pml_child_cancel(w->child);
    waiter_free(w);
  }
}
