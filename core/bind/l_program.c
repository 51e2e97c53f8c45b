#include "bind/l_program.h"

#include "bind/l_bus.h"
#include "bind/l_web.h"
#include "script/crash.h"
#include "script/ctext.h"
#include "script/standard.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

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
  *c = (pml_lua_program){.control = {.L = L}, .states.core = core};
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

typedef struct {
  pml_log_files *files; /* owned */
  pml_log_way way;
  size_t queue;
} logs;

/* Field `log` of the table at 1: {queue = bytes, console = boolean, files = {path, ...}}, all of
 * the program's own lines. Returns the path of a file that cannot be opened, with errno, or NULL.
 */
static const char *open_logs(lua_State *L, logs *g, int json) {
  g->files = pml_log_files_new(g->queue, json);
  lua_getfield(L, 1, "log");
  if (!lua_istable(L, -1)) return NULL;
  lua_getfield(L, -1, "console");
  g->way.no_console = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  lua_getfield(L, -2, "files");
  size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  for (size_t i = 1; i <= n && i <= PML_LOG_WAY_FILES; i++) {
    lua_rawgeti(L, -1, (int)i);
    const char *path = lua_tostring(L, -1);
    pml_output *out = pml_log_files_open(g->files, path);
    if (!out) return path;
    g->way.file[g->way.files++] = out;
    lua_pop(L, 1);
  }
  return NULL;
}

static size_t queue_of(lua_State *L) {
  size_t queue = PML_LOG_QUEUE;
  lua_getfield(L, 1, "log");
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "queue");
    if (lua_isnumber(L, -1)) queue = (size_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return queue;
}

/* core.run{servers = {{id=, type=, frontend=, boot=}, …}, level=, json=, web = as of
 * l_web.h, bus = as of l_bus.h, notices = warnings, one a line, news = the same of the level info,
 * log = {queue=, console=, files=}} -> exit status */
static int l_run(lua_State *L) {
  pml_lua_program c;
  pml_program_options o;
  pml_standard standard;
  pml_web_options web;
  pml_bus_options bus;
  logs g = {0};
  lua_settop(L, 1);
  pml_lua_program_read(L, 1, lua_tocfunction(L, lua_upvalueindex(1)), &c, &o);
  o.say = say;
  lua_getfield(L, 1, "json");
  o.json = lua_toboolean(L, -1);
  lua_getfield(L, 1, "web");
  if (lua_istable(L, -1)) {
    pml_lua_web_read(L, &web);
    o.web = &web;
  }
  lua_getfield(L, 1, "bus");
  if (lua_istable(L, -1)) {
    pml_lua_bus_read(L, &bus);
    o.bus = &bus;
  }
  o.notices = text(L, 1, "notices", "");
  o.news = text(L, 1, "news", "");
  pml_lua_control_read(L, 1, &c.control, &o);
  pml_crash_catch();
  c.states.budget = pml_budget_new(PML_BUDGET_GRACE_MS);
  if (!c.states.budget) return luaL_error(L, "run: no thread for the scripts' budget");
  g.queue = queue_of(L);
  pml_standard_begin(L, &standard, g.queue, o.json);
  o.output = standard.err;
  o.said = standard.out;
  int status = 1;
  const char *bad = open_logs(L, &g, o.json);
  if (bad) {
    fprintf(stderr, "pomelua: the log file %s: %s\n", bad, strerror(errno));
  } else {
    o.way = &g.way;
    o.log_files = c.states.log_files = g.files;
    status = pml_program_run(&o);
  }
  lua_pushinteger(L, status);
  pml_budget_free(c.states.budget);
  pml_log_files_free(g.files);
  pml_standard_end(L, &standard);
  pml_lua_control_end(&c.control);
  return 1;
}

void pml_open_program(lua_State *L, lua_CFunction core) {
  lua_pushcfunction(L, core);
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "run");
}
