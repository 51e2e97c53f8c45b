#include "bind/l_program.h"

#include "script/crash.h"
#include "script/ctext.h"
#include "script/standard.h"

#include <lauxlib.h>
#include <stdio.h>

/* On a server's thread. */
static int load(pml_node *n, pml_member *m, const char *boot, void **out, char **err, void *ud) {
  const pml_lua_program *c = ud;
  pml_server_state *s;
  int rc = pml_server_state_load(&c->states, n, m, boot, &s, err);
  *out = s;
  return rc;
}

static void unload(void *out, void *ud) {
  (void)ud;
  pml_server_state_free(out);
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
  if (lua_type(L, -1) == LUA_TSTRING) s = pml_lua_ctext_field(L, -1, name);
  lua_pop(L, 1);
  if (!s) luaL_error(L, "run: %s must be a string", name);
  return s;
}

static void read_server(lua_State *L, int idx, pml_member_spec *s) {
  luaL_checktype(L, idx, LUA_TTABLE);
  s->id = text(L, idx, "id", NULL);
  s->type = text(L, idx, "type", NULL);
  s->boot = text(L, idx, "boot", NULL);
  lua_getfield(L, idx, "frontend");
  s->frontend = lua_toboolean(L, -1);
  lua_pop(L, 1);
}

void pml_lua_program_read(lua_State *L, int idx, lua_CFunction core, pml_lua_program *c,
                          pml_program_options *o) {
  static const char *const levels[] = {"debug", "info", "warn", "error", "silent", NULL};
  luaL_checktype(L, idx, LUA_TTABLE);
  int top = lua_gettop(L);
  *c = (pml_lua_program){.control = {L, LUA_NOREF, LUA_NOREF}, .states.core = core};
  *o = (pml_program_options){.load = load, .unload = unload, .ud = c};
  lua_getfield(L, idx, "level");
  o->level = (pml_level)luaL_checkoption(L, -1, "info", levels);
  lua_getglobal(L, "package");
  c->states.path = text(L, lua_gettop(L), "path", NULL);
  lua_getfield(L, idx, "servers");
  int list = lua_gettop(L);
  luaL_checktype(L, list, LUA_TTABLE);
  o->count = lua_objlen(L, list);
  pml_member_spec *servers = lua_newuserdata(L, (o->count + 1) * sizeof *servers);
  for (size_t i = 0; i < o->count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    read_server(L, lua_gettop(L), &servers[i]);
    lua_pop(L, 1);
  }
  o->servers = servers;
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* core.run{servers = {{id=, type=, frontend=, boot=}, …}, level=, json=, web = {host=, port=,
 * root=}, notices = warnings, one a line} -> exit status */
static int l_run(lua_State *L) {
  pml_lua_program c;
  pml_program_options o;
  pml_standard standard;
  lua_settop(L, 1);
  pml_lua_program_read(L, 1, lua_tocfunction(L, lua_upvalueindex(1)), &c, &o);
  o.say = say;
  lua_getfield(L, 1, "json");
  o.json = lua_toboolean(L, -1);
  lua_getfield(L, 1, "web");
  if (lua_istable(L, -1)) {
    int web = lua_gettop(L);
    o.web_host = text(L, web, "host", "127.0.0.1");
    o.web_root = text(L, web, "root", NULL);
    lua_getfield(L, web, "port");
    o.web_port = (int)luaL_checkinteger(L, -1);
  }
  o.notices = text(L, 1, "notices", "");
  pml_lua_control_read(L, 1, &c.control, &o);
  pml_crash_catch();
  c.states.budget = pml_budget_new(PML_BUDGET_GRACE_MS);
  if (!c.states.budget) return luaL_error(L, "run: no thread for the scripts' budget");
  pml_standard_begin(L, &standard, o.json);
  o.output = standard.err;
  lua_pushinteger(L, pml_program_run(&o));
  pml_budget_free(c.states.budget);
  pml_standard_end(L, &standard);
  pml_lua_control_end(&c.control);
  return 1;
}

void pml_open_program(lua_State *L, lua_CFunction core) {
  lua_pushcfunction(L, core);
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "run");
}
