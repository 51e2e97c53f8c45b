/* l_watch: node:watch and node:unwatch: folders in which files change. */
#include "bind/node_methods.h"

#include "base/container.h"
#include "loop/watch.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/script_call.h"
#include "script/values.h"
#include "script/waiter.h"

typedef struct {
  pml_waiter waiter;
  pml_watch *watch; /* NULL when it could not be opened */
} watched;

static void cancel(pml_waiter *w) {
  watched *f = PML_CONTAINER(w, watched, waiter);
  if (f->watch) pml_watch_close(f->watch);
}

static int push_name(lua_State *L, const void *name) {
  lua_pushstring(L, name); /* NULL pushes nil */
  return 1;
}

static void on_event(const char *name, void *ud) {
  pml_waiter *w = ud;
  const pml_lua_deferred d = {&w->fn, 0, push_name, name};
  pml_lua_defer(w->lua->L, &d);
  pml_script_call(w->lua, "watched", pml_slice_of(NULL, 0), 1, 0);
}

/* node:watch(folder, fn) -> id | nil, message, NAME: fn(name | nil) for what happens in it */
static int l_watch(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  const char *folder = pml_lua_ctext(L, 2, "folder");
  watched *f = pml_waiter_new(L, lua, 3, sizeof *f, cancel);
  int rc = pml_watch_open(pml_node_loop(lua->node), folder, on_event, f, &f->watch);
  if (rc) {
    pml_waiter_free(&f->waiter);
    lua_pushfstring(L, "%s: cannot be watched", folder);
    return pml_lua_fail(L, rc, lua_tostring(L, -1));
  }
  lua_pushnumber(L, (lua_Number)f->waiter.id);
  return 1;
}

/* node:unwatch(id) -> boolean */
static int l_unwatch(lua_State *L) {
  pml_waiter *w = pml_waiter_find(pml_lua_check(L), pml_lua_id(L, 2), cancel);
  if (w) {
    cancel(w);
    pml_waiter_free(w);
  }
  lua_pushboolean(L, w != NULL);
  return 1;
}

const luaL_Reg pml_watch_methods[] = {{"watch", l_watch}, {"unwatch", l_unwatch}, {NULL, NULL}};
