#include "bind/l_program.h"

#include "base/mem.h"
#include "bind/call.h"
#include "bind/lua_node.h"
#include "bind/vm.h"

#include <stdio.h>

/* On a server's thread: a Lua state of its own, require("pomelua.boot")(node, json). */
static int load(pml_node *n, pml_program_member *m, const char *boot, void **state, char **err,
                void *ud) {
  lua_State *L = pml_vm_new(ud);
  if (!L) {
    *err = pml_strdup("out of memory");
    return -1;
  }
  *state = L;
  pml_lua_call_open(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "pomelua.boot");
  if (pml_lua_try(L, 1, 1, err) != 0) return -1;
  pml_lua_node_push(L, n, m);
  lua_pushstring(L, boot);
  return pml_lua_try(L, 2, 0, err);
}

static void unload(void *state, void *ud) {
  (void)ud;
  lua_close(state);
}

static void say(const char *line, void *ud) {
  (void)ud;
  printf("%s\n", line);
  fflush(stdout);
}

/* The string in field `name` of the table at idx, which keeps it alive: no number, whose text
 * nobody would. */
static const char *text(lua_State *L, int idx, const char *name, const char *otherwise) {
  lua_getfield(L, idx, name);
  const char *s = lua_isnil(L, -1) ? otherwise : NULL;
  if (lua_type(L, -1) == LUA_TSTRING) s = lua_tostring(L, -1);
  lua_pop(L, 1);
  if (!s) luaL_error(L, "run: %s must be a string", name);
  return s;
}

static void read_server(lua_State *L, int idx, pml_program_server *s) {
  luaL_checktype(L, idx, LUA_TTABLE);
  s->id = text(L, idx, "id", NULL);
  s->type = text(L, idx, "type", NULL);
  s->boot = text(L, idx, "boot", NULL);
  lua_getfield(L, idx, "frontend");
  s->frontend = lua_toboolean(L, -1);
  lua_pop(L, 1);
}

/* core.run{servers = {{id=, type=, frontend=, boot=}, …}, level=, json=, web = {host=, port=,
 * root=}} -> exit status */
static int l_run(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error", "silent", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "servers");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 1, "level");
  pml_program_options o = {.load = load, .unload = unload, .say = say};
  o.level = (pml_level)luaL_checkoption(L, 3, "info", levels);
  lua_getfield(L, 1, "json");
  o.json = lua_toboolean(L, 4);
  lua_getfield(L, 1, "web");
  if (lua_istable(L, 5)) {
    o.web_host = text(L, 5, "host", "127.0.0.1");
    o.web_root = text(L, 5, "root", NULL);
    lua_getfield(L, 5, "port");
    o.web_port = (int)luaL_checkinteger(L, -1);
  }
  lua_getglobal(L, "package");
  o.ud = (void *)(uintptr_t)text(L, lua_gettop(L), "path", NULL);
  o.count = lua_objlen(L, 2);
  pml_program_server *servers = lua_newuserdata(L, (o.count + 1) * sizeof *servers);
  for (size_t i = 0; i < o.count; i++) {
    lua_rawgeti(L, 2, (int)i + 1);
    read_server(L, lua_gettop(L), &servers[i]);
    lua_pop(L, 1);
  }
  o.servers = servers;
  lua_pushinteger(L, pml_program_run(&o));
  return 1;
}

void pml_open_program(lua_State *L) {
  lua_pushcfunction(L, l_run);
  lua_setfield(L, -2, "run");
}
