#include "bind/l_bus_tool.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "bind/l_bus.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

#include <stdio.h>

#define TNAME "pomelua.bus"
#define FLUSH_MS 200    /* what a question may take to leave when a tool closes its bus */
#define LINES_MAX 65536 /* of an answer: no list of servers or bans has more */

/* --- a tool ----------------------------------------------------------------------------------- */

typedef struct {
  pml_list node;
  char process[33];
  char text[];
} line;

typedef struct {
  pml_loop *loop;
  pml_bus *bus; /* NULL: closed */
  pml_log log;
  pml_timer deadline;
  int waits;     /* for the bus */
  char why[512]; /* the bus is not there */
  pml_list lines, asks;
  size_t count;
} tool;

/* A question. Lines that come when its answer is not waited for any more are dropped. */
typedef struct {
  pml_list node;
  tool *t; /* NULL: nobody waits */
  int first, ended;
  size_t late;
} question;

static tool *check(lua_State *L) {
  tool **t = luaL_checkudata(L, 1, TNAME);
  if (!*t) luaL_error(L, "the bus is closed");
  return *t;
}

static void lines_drop(tool *t) {
  for (pml_list *i; (i = pml_list_pop(&t->lines));) pml_free(PML_CONTAINER(i, line, node));
  t->count = 0;
}

static void tool_free(tool *t) {
  pml_bus_close(t->bus, FLUSH_MS);
  pml_timer_stop(t->loop, &t->deadline);
  for (pml_list *i; (i = pml_list_pop(&t->asks));) pml_free(PML_CONTAINER(i, question, node));
  lines_drop(t);
  pml_loop_free(t->loop);
  pml_free(t);
}

/* bus:close(): what was asked is on its way; harmless when it is closed */
static int l_close(lua_State *L) {
  tool **t = luaL_checkudata(L, 1, TNAME);
  if (*t) tool_free(*t);
  *t = NULL;
  return 0;
}

static void on_deadline(pml_timer *timer) {
  pml_loop_stop(PML_CONTAINER(timer, tool, deadline)->loop);
}

static void on_link(int up, const char *text, void *ud) {
  tool *t = ud;
  snprintf(t->why, sizeof t->why, "%s", up ? "" : text);
  if (t->waits) pml_loop_stop(t->loop);
}

/* Runs the loop until something stops it, for at most ms. */
static void run(tool *t, uint32_t ms) {
  pml_timer_start(t->loop, &t->deadline, ms);
  pml_loop_run(t->loop);
  pml_timer_stop(t->loop, &t->deadline);
}

/* bus:wait(ms) -> true | nil, message, "TIMEOUT": until the bus is there, or no broker takes it */
static int l_wait(lua_State *L) {
  tool *t = check(L);
  uint32_t ms = (uint32_t)luaL_checkinteger(L, 2);
  t->waits = 1;
  if (!pml_bus_is_up(t->bus)) run(t, ms);
  t->waits = 0;
  if (!pml_bus_is_up(t->bus))
    return pml_lua_fail(L, PML_ETIMEOUT, *t->why ? t->why : "no broker answers");
  lua_pushboolean(L, 1);
  return 1;
}

static void on_answer(const char *process, const char *text, size_t late, void *ud) {
  question *q = ud;
  tool *t = q->t;
  if (!text) {
    q->ended = 1;
    q->late = late;
  } else if (t && t->count < LINES_MAX) {
    size_t n = strlen(text);
    line *l = pml_alloc(sizeof *l + n + 1);
    snprintf(l->process, sizeof l->process, "%s", process);
    memcpy(l->text, text, n + 1);
    pml_list_append(&t->lines, &l->node);
    t->count++;
  }
  if (t && (q->ended || q->first)) pml_loop_stop(t->loop);
  if (q->ended && !t) {
    pml_list_remove(&q->node);
    pml_free(q);
  }
}

static void set(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void push_lines(lua_State *L, const tool *t) {
  int n = 0;
  lua_createtable(L, (int)t->count, 0);
  for (pml_list *i = t->lines.next; i != &t->lines; i = i->next) {
    line *one = PML_CONTAINER(i, line, node);
    lua_createtable(L, 0, 2);
    set(L, "process", one->process);
    set(L, "text", one->text);
    lua_rawseti(L, -2, ++n);
  }
}

/* bus:ask(process | nil, text, ms, first) -> {{process=, text=}, …}, late | nil, message, "NOENT".
 * Asks the program of a process, or all programs, and waits, without running anything else, until
 * all have answered, or for ms without a line; `first`: until the first line has come. late: how
 * many have not answered. */
static int l_ask(lua_State *L) {
  size_t n;
  tool *t = check(L);
  const char *process = lua_isnil(L, 2) ? NULL : pml_lua_ctext(L, 2, "process");
  const char *text = luaL_checklstring(L, 3, &n);
  uint32_t ms = (uint32_t)luaL_checkinteger(L, 4);
  question *q = pml_alloc0(sizeof *q);
  q->t = t;
  q->first = lua_toboolean(L, 5);
  lines_drop(t);
  int rc = pml_bus_ask(t->bus, process, pml_slice_of(text, n), ms, on_answer, q);
  if (rc) {
    pml_free(q);
    return pml_lua_fail(L, rc, *t->why ? t->why : "there is no such process");
  }
  pml_list_append(&t->asks, &q->node);
  while (!q->ended && !(q->first && t->count)) pml_loop_run(t->loop);
  size_t late = q->late;
  if (q->ended) {
    pml_list_remove(&q->node);
    pml_free(q);
  } else {
    q->t = NULL;
  }
  push_lines(L, t);
  lua_pushnumber(L, (lua_Number)late);
  return 2;
}

/* bus:pause(ms): lets the bus hear of others for so long */
static int l_pause(lua_State *L) {
  tool *t = check(L);
  run(t, (uint32_t)luaL_checkinteger(L, 2));
  return 0;
}

static const luaL_Reg methods[] = {
  {"wait", l_wait}, {"ask", l_ask}, {"pause", l_pause}, {"close", l_close}, {NULL, NULL},
};

/* core.bus(options as of l_bus.h) -> bus | nil, message, NAME. A tool's own connection to the bus
 * of a cluster. It connects in the background. */
static int l_bus(lua_State *L) {
  pml_bus_options o;
  char err[512];
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  pml_lua_bus_read(L, &o);
  o.tool = 1;
  tool **slot = lua_newuserdata(L, sizeof *slot);
  *slot = NULL;
  pml_lua_class(L, TNAME, methods, l_close);
  lua_setmetatable(L, -2);
  tool *t = pml_alloc0(sizeof *t);
  pml_log_init(&t->log, "", PML_SILENT, 0);
  pml_list_init(&t->lines);
  pml_list_init(&t->asks);
  pml_timer_init(&t->deadline, on_deadline);
  o.log = &t->log;
  t->loop = pml_loop_new();
  pml_bus_events ev = {.on_link = on_link, .ud = t};
  int rc = t->loop ? pml_bus_open(t->loop, NULL, &o, &ev, &t->bus, err, sizeof err) : PML_EIO;
  if (rc == 0) {
    *slot = t;
    return 1;
  }
  if (t->loop) pml_loop_free(t->loop);
  else snprintf(err, sizeof err, "an event loop cannot be made");
  pml_free(t);
  return pml_lua_fail(L, rc, err);
}

void pml_open_bus_tool(lua_State *L) {
  lua_pushcfunction(L, l_bus);
  lua_setfield(L, -2, "bus");
}
