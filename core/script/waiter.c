#include "script/waiter.h"

#include "base/container.h"
#include "base/mem.h"

void *pml_waiter_new(lua_State *L, pml_lua *lua, int fn, size_t size,
                     void (*cancel)(pml_waiter *)) {
  if (fn) luaL_checktype(L, fn, LUA_TFUNCTION);
  pml_waiter *w = pml_alloc0(size);
  w->lua = lua;
  w->cancel = cancel;
  if (fn) {
    lua_pushvalue(L, fn);
    pml_anchor_hold(L, &w->fn);
  }
  if (!lua->waiting.next) pml_list_init(&lua->waiting);
  pml_list_append(&lua->waiting, &w->node);
  w->id = ++lua->last_waiter;
  return w;
}

void pml_waiter_leave(pml_waiter *w) { pml_list_remove(&w->node); }

void pml_waiter_free(pml_waiter *w) {
  pml_anchor_drop(w->lua->L, &w->fn);
  pml_list_remove(&w->node);
  pml_free(w);
}

pml_waiter *pml_waiter_find(pml_lua *lua, pml_id id, void (*cancel)(pml_waiter *)) {
  if (!lua->waiting.next) return NULL;
  for (pml_list *n = lua->waiting.next; n != &lua->waiting; n = n->next) {
    pml_waiter *w = PML_CONTAINER(n, pml_waiter, node);
    if (w->id == id && w->cancel == cancel) return w;
  }
  return NULL;
}

void pml_waiters_end(pml_lua *lua) {
  while (lua->waiting.next && !pml_list_empty(&lua->waiting)) {
    pml_waiter *w = PML_CONTAINER(lua->waiting.next, pml_waiter, node);
    w->cancel(w);
    pml_waiter_free(w);
  }
}
