/* l_virtual: core.node, a virtual node for the test kit: the same tables, dispatch and encoding as
 * a server's, in a time that stands still until a test moves it. */
#include "bind/l_virtual.h"

#include "base/container.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "bind/virtual.h"
#include "script/ctext.h"
#include "script/log_ways.h"
#include "script/script_lua.h"
#include "script/waiter.h"

#include <string.h>

/* One line of the log. */
typedef struct {
  pml_list node;
  pml_level level;
  char text[];
} line;

static pml_lua *check_turn(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  if (lua->virt->turning || lua->filtering)
    luaL_error(L, "not from inside a function that this node calls");
  return lua;
}

/* node:advance(ms): time moves on, timers and deadlines fire in order */
static int l_advance(lua_State *L) {
  pml_lua *lua = check_turn(L);
  lua_Number ms = luaL_checknumber(L, 2);
  luaL_argcheck(L, ms >= 0 && ms <= 4294967295.0, 2, "milliseconds");
  lua_State *before = pml_lua_enter(lua, L);
  lua->virt->turning = 1;
  pml_loop_advance(lua->virt->loop, (uint64_t)ms);
  lua->virt->turning = 0;
  pml_lua_leave(lua, before);
  return 0;
}

/* node:settle(): end-of-turn work runs */
static int l_settle(lua_State *L) {
  pml_lua *lua = check_turn(L);
  lua_State *before = pml_lua_enter(lua, L);
  lua->virt->turning = 1;
  pml_loop_settle(lua->virt->loop);
  lua->virt->turning = 0;
  pml_lua_leave(lua, before);
  return 0;
}

/* node:idle() -> milliseconds until the next timer is due | nil: there is none */
static int l_idle(lua_State *L) {
  pml_virtual *v = pml__virtual_check(L)->virt;
  uint64_t ms;
  if (!pml_loop_idle(v->loop, &ms)) return 0;
  lua_pushnumber(L, (lua_Number)ms);
  return 1;
}

/* node:close(): forgets everything; later calls raise */
static int l_close(lua_State *L) {
  pml_lua *lua = pml__virtual_check(L);
  pml_virtual *v = lua->virt;
  pml_list *item;
  if (lua->busy) return luaL_error(L, "not from inside a function that this node calls");
  lua_State *before = pml_lua_enter(lua, L);
  pml_waiters_end(lua);
  pml_lua_leave(lua, before);
  for (int i = 0; i < PML_ENTRIES; i++) pml_anchor_drop(L, &lua->entry[i]);
  pml_anchor_drop(L, &lua->channels);
  pml_anchor_drop(L, &lua->env);
  pml__virtual_clients_free(lua);
  pml_log_ways_end(lua);
  pml_waiters_end(lua);
  pml_node_free(lua->node);
  pml__virtual_bus_free(v);
  while ((item = pml_list_pop(&v->lines))) pml_free(PML_CONTAINER(item, line, node));
  pml_loop_free(v->loop);
  pml_free(v);
  lua->node = NULL;
  lua->virt = NULL;
  return 0;
}

/* Kept in C: a line is written in the middle of other work, where Lua may not raise. */
static void on_line(pml_level level, const char *text, void *ud) {
  pml_virtual *v = ud;
  size_t n = strlen(text);
  line *k = pml_alloc(sizeof *k + n + 1);
  k->level = level;
  memcpy(k->text, text, n + 1);
  pml_list_append(&v->lines, &k->node);
}

/* node:lines() -> array of {level=, text=}: all log lines so far */
static int l_lines(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  pml_virtual *v = pml__virtual_check(L)->virt;
  int n = 0;
  lua_newtable(L);
  for (pml_list *i = v->lines.next; i != &v->lines; i = i->next) {
    line *k = PML_CONTAINER(i, line, node);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, levels[k->level < PML_SILENT ? k->level : PML_ERROR]);
    lua_setfield(L, -2, "level");
    lua_pushstring(L, k->text);
    lua_setfield(L, -2, "text");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

const luaL_Reg pml_virtual_methods[] = {
  {"advance", l_advance}, {"settle", l_settle}, {"lines", l_lines},
  {"idle", l_idle},       {"close", l_close},   {NULL, NULL},
};

/* core.node{id=, type=, frontend=} -> a virtual node */
static int l_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "id");
  lua_getfield(L, 1, "type");
  lua_getfield(L, 1, "frontend");
  pml_node_options o = {
    .id = pml_lua_ctext(L, 2, "id"),
    .type = pml_lua_ctext(L, 3, "type"),
    .frontend = lua_toboolean(L, 4),
  };
  pml_virtual *v = pml_alloc0(sizeof *v);
  pml_list_init(&v->sent);
  pml_list_init(&v->clients);
  pml_list_init(&v->lines);
  pml_list_init(&v->asked);
  pml_list_init(&v->given);
  v->loop = pml_loop_new_virtual();
  pml_log_init(&o.log, o.id, PML_DEBUG, 0);
  pml_node *node = pml_node_new(v->loop, &o);
  pml_node_use_recorder(node);
  pml_lua *lua = pml_lua_node_push(L, node, NULL);
  lua->virt = v;
  lua->budget = pml_budget_of(L);
  pml_script_lua_set(lua);
  pml_node_log(node)->on_line = on_line;
  pml_node_log(node)->ud = v;
  return 1;
}

void pml_open_virtual(lua_State *L) {
  lua_pushcfunction(L, l_new);
  lua_setfield(L, -2, "node");
}
