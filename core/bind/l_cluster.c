/* The program runs on a thread of its own; the caller's thread reads its lines and stops it. The
 * lock guards the fields that both threads use: the lines, the program while it runs, and how it
 * ended. */
#include "bind/l_cluster.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/list.h"
#include "base/mem.h"
#include "bind/l_limit.h"
#include "bind/l_program.h"
#include "script/handle.h"

#include <lauxlib.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define TNAME "pomelua.cluster"

typedef struct {
  pml_list node;
  pml_level level;
  int
    said; /* 1: the program would have printed it on standard output; 0: it is a line of the log */
  char server[PML_SERVER_ID_MAX + 1];
  char text[];
} line;

typedef struct {
  pml_lua_program common; /* first: pml_program_options.ud */
  pml_program_options o;
  char *path;
  pthread_t thread;
  int running; /* 1: the thread was started, and nobody has joined it yet */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pml_program *program;
  pml_list lines;
  int ready, ended, status;
} cluster;

/* Keeps a line for cluster:lines. Called on the threads of the program. */
static void keep(cluster *c, int said, const char *server, pml_level level, const char *text) {
  size_t n = strlen(text) + 1;
  line *k = pml_alloc0(sizeof *k + n);
  k->said = said;
  k->level = level;
  strncpy(k->server, server, sizeof k->server - 1);
  memcpy(k->text, text, n);
  pthread_mutex_lock(&c->lock);
  pml_list_append(&c->lines, &k->node);
  if (said && strcmp(text, "ready") == 0) c->ready = 1;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

static void on_say(const char *text, void *ud) { keep(ud, 1, "", PML_INFO, text); }

static void on_log(const char *server, pml_level level, const char *text, void *ud) {
  keep(ud, 0, server, level, text);
}

static void on_run(pml_program *p, void *ud) {
  cluster *c = ud;
  pthread_mutex_lock(&c->lock);
  c->program = p;
  pthread_mutex_unlock(&c->lock);
}

static void *run(void *ud) {
  cluster *c = ud;
  int status = pml_program_run(&c->o);
  pthread_mutex_lock(&c->lock);
  c->ended = 1;
  c->status = status;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

static cluster *check(lua_State *L) { return luaL_checkudata(L, 1, TNAME); }

/* cluster:wait(ms) -> true: all servers are up | false: they are not up yet, and the time is over |
 * nil: the program has ended */
static int l_wait(lua_State *L) {
  cluster *c = check(L);
  lua_Integer ms = luaL_checkinteger(L, 2);
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_sec += ms / 1000 + (t.tv_nsec + ms % 1000 * 1000000) / 1000000000;
  t.tv_nsec = (t.tv_nsec + ms % 1000 * 1000000) % 1000000000;
  pthread_mutex_lock(&c->lock);
  while (!c->ready && !c->ended)
    if (pthread_cond_timedwait(&c->changed, &c->lock, &t) != 0) break;
  int ready = c->ready, ended = c->ended;
  pthread_mutex_unlock(&c->lock);
  if (ended) return 0;
  lua_pushboolean(L, ready);
  return 1;
}

/* Stops the program in order and waits until its thread has ended. */
static void end(cluster *c) {
  if (!c->running) return;
  pthread_mutex_lock(&c->lock);
  if (c->program) pml_program_ask_stop(c->program);
  pthread_mutex_unlock(&c->lock);
  pthread_join(c->thread, NULL);
  c->running = 0;
}

/* cluster:stop() -> the exit status. Stops the program in order, as SIGTERM does, and waits for its
 * end. */
static int l_stop(lua_State *L) {
  cluster *c = check(L);
  end(c);
  lua_pushinteger(L, c->status);
  return 1;
}

/* cluster:lines() -> array of {level=, server=, text=, said=}, all lines so far. said is true for a
 * line that the program would have printed on standard output, and false for a line of the log. */
static int l_lines(lua_State *L) {
  static const char *const names[] = {"debug", "info", "warn", "error", "silent"};
  cluster *c = check(L);
  pml_list *last;
  int n = 0;
  pthread_mutex_lock(&c->lock);
  last = c->lines.prev; /* lines are only appended, and are freed with c */
  pthread_mutex_unlock(&c->lock);
  lua_newtable(L);
  if (last == &c->lines) return 1;
  for (pml_list *i = c->lines.next;; i = i->next) {
    line *k = PML_CONTAINER(i, line, node);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, k->text);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, names[k->level]);
    lua_setfield(L, -2, "level");
    lua_pushstring(L, k->server);
    lua_setfield(L, -2, "server");
    lua_pushboolean(L, k->said);
    lua_setfield(L, -2, "said");
    lua_rawseti(L, -2, ++n);
    if (i == last) return 1;
  }
}

/* __gc: stops the program as cluster:stop does, and frees the lines */
static int l_gc(lua_State *L) {
  cluster *c = check(L);
  end(c);
  for (pml_list *i; (i = pml_list_pop(&c->lines));) pml_free(PML_CONTAINER(i, line, node));
  pml_free(c->path);
  c->path = NULL;
  return 0;
}

static const luaL_Reg methods[] = {
  {"wait", l_wait}, {"stop", l_stop}, {"lines", l_lines}, {NULL, NULL}};

/* core.cluster{servers=, level=, limit=} -> cluster. Starts a program as core.run does, but on a
 * thread of its own. `limit` is that of core.limit, and may be left out: there is one budget in a
 * process, and the caller's scripts have it already. Without it the program's have none. */
static int l_cluster(lua_State *L) {
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  cluster *c = lua_newuserdata(L, sizeof *c);
  memset(c, 0, sizeof *c);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
  pml_list_init(&c->lines);
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_setmetatable(L, -2);
  pml_lua_program_read(L, 1, lua_tocfunction(L, lua_upvalueindex(1)), &c->common, &c->o);
  lua_getfield(L, 1, "limit"); /* the table is kept alive, and with it the limit */
  if (!lua_isnil(L, -1)) c->common.states.budget = pml_lua_limit_budget(L, lua_gettop(L));
  lua_pop(L, 1);
  lua_createtable(L, 2, 0); /* keeps the values alive from which C borrows */
  lua_insert(L, 3);
  lua_rawseti(L, 3, 1);
  lua_pushvalue(L, 1);
  lua_rawseti(L, 3, 2);
  lua_setfenv(L, 2);
  c->path = pml_strdup(c->common.states.path);
  c->common.states.path = c->path;
  c->o.embedded = 1;
  c->o.say = on_say;
  c->o.on_log = on_log;
  c->o.on_run = on_run;
  c->running = pthread_create(&c->thread, NULL, run, c) == 0;
  if (!c->running) return luaL_error(L, "cluster: no thread");
  return 1;
}

void pml_open_cluster(lua_State *L, lua_CFunction core) {
  lua_pushcfunction(L, core);
  lua_pushcclosure(L, l_cluster, 1);
  lua_setfield(L, -2, "cluster");
}
