#include "bind/l_program.h"

#include "base/mem.h"
#include "script/call.h"
#include "script/crash.h"
#include "script/ctext.h"
#include "bind/l_watch.h"
#include "bind/l_control.h"
#include "script/lua_node.h"
#include "script/standard.h"
#include "script/vm.h"

#include <luajit.h>
#include <stdio.h>
#include <string.h>

/* What a server's thread has. */
typedef struct {
  lua_State *L;
  pml_budget_slot *slot;
  pml_crash_place *place; /* NULL: embedded, the signals are somebody else's */
  pml_lua *lua;           /* lives in L; NULL before it was made */
} state;

static int require(lua_State *L, const char *name, char **err) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  return pml_lua_try(L, 1, 1, err);
}

/* A compiler that gives wrong results is worse than none. */
static int probe(lua_State *L, const pml_log *log, char **err) {
  if (require(L, "pomelua.run.jit_probe", err) != 0) return -1;
  if (pml_lua_try(L, 0, 1, err) != 0) return -1;
  if (lua_isstring(L, -1)) {
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    pml_log_write(log, PML_WARN, "the compiler of this LuaJIT stays off: %s", lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return 0;
}

/* No function of the framework is stopped half way: those from the folder of the one on top. */
static void spare_folder(lua_State *L, pml_budget_slot *slot) {
  lua_Debug ar;
  lua_pushvalue(L, -1);
  if (!lua_getinfo(L, ">S", &ar)) return;
  const char *slash = strrchr(ar.source, '/');
  if (ar.source[0] != '@' || !slash) return;
  char *folder = pml_strndup(ar.source, (size_t)(slash + 1 - ar.source));
  pml_budget_spare(slot, folder);
  pml_free(folder);
}

/* On a server's thread: a Lua state of its own, require("pomelua.boot")(node, json). */
static int load(pml_node *n, pml_member *m, const char *boot, void **out, char **err, void *ud) {
  const pml_lua_program *c = ud;
  lua_State *L = pml_vm_new(c->path, c->core);
  if (!L) {
    *err = pml_strdup("out of memory");
    return -1;
  }
  state *s = pml_alloc0(sizeof *s);
  *out = s;
  s->L = L;
  if (c->budget)
    s->slot = pml_budget_join(c->budget, L, pml_node_config(n)->budget_ms, pml_node_log(n));
  if (s->slot) s->place = pml_crash_enter(pml_node_log(n), s->slot);
  pml_lua_call_open(L);
  if (probe(L, pml_node_log(n), err) != 0) return -1;
  if (require(L, "pomelua.core", err) != 0) return -1; /* boot may do without; its node may not */
  lua_pop(L, 1);
  if (require(L, "pomelua.boot", err) != 0) return -1;
  if (s->slot && lua_isfunction(L, -1)) spare_folder(L, s->slot);
  s->lua = pml_lua_node_push(L, n, m);
  s->lua->budget = s->slot;
  pml_memory_begin(&s->lua->memory, L, n, s->slot);
  lua_pushstring(L, boot);
  pml_budget_tell(s->slot, pml_node_blocked(n), pml_node_generation(n));
  pml_budget_least(s->slot, PML_BUDGET_START_MS);
  pml_budget_enter(s->slot, "start", pml_slice_of(NULL, 0));
  int rc = pml_lua_try(L, 2, 0, err);
  pml_budget_leave(s->slot);
  return rc;
}

static void unload(void *out, void *ud) {
  state *s = out;
  (void)ud;
  if (s->lua) {
    pml_lua_watch_end(s->lua);
    pml_memory_end(&s->lua->memory);
  }
  pml_crash_leave(s->place);
  pml_budget_quit(s->slot);
  lua_close(s->L);
  pml_free(s);
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
  *c = (pml_lua_program){.control = {L, LUA_NOREF, LUA_NOREF}, .core = core};
  *o = (pml_program_options){.load = load, .unload = unload, .ud = c};
  lua_getfield(L, idx, "level");
  o->level = (pml_level)luaL_checkoption(L, -1, "info", levels);
  lua_getglobal(L, "package");
  c->path = text(L, lua_gettop(L), "path", NULL);
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
  c.budget = pml_budget_new(PML_BUDGET_GRACE_MS);
  if (!c.budget) return luaL_error(L, "run: no thread for the scripts' budget");
  pml_standard_begin(L, &standard, o.json);
  o.output = standard.err;
  lua_pushinteger(L, pml_program_run(&o));
  pml_budget_free(c.budget);
  pml_standard_end(L, &standard);
  pml_lua_control_end(&c.control);
  return 1;
}

void pml_open_program(lua_State *L, lua_CFunction core) {
  lua_pushcfunction(L, core);
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "run");
}
