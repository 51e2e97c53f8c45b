#include "bind/l_control.h"

#include "base/err.h"
#include "bind/l_bus.h"
#include "bind/l_system.h"
#include "script/call.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"
#include "host/control_client.h"
#include "host/program_bus.h"

#include <unistd.h>

#define TNAME "pomelua.program"

/* --- functions that Lua calls -------------------------------------------------------- */

static pml_program *check(lua_State *L) {
  pml_program **p = luaL_checkudata(L, 1, TNAME);
  if (!*p) luaL_error(L, "the program has ended");
  return *p;
}

static int result(lua_State *L, int rc, const char *message) {
  if (rc) return pml_lua_fail(L, rc, message);
  lua_pushboolean(L, 1);
  return 1;
}

/* program:tell(serverId, call, text) -> true | nil, message, "NOENT". The server gets the text;
 * when it answers, the hook `told` is called with the number `call`. */
static int l_tell(lua_State *L) {
  pml_program *p = check(L);
  const char *server = pml_lua_name(L, 2);
  pml_id call = pml_lua_id(L, 3);
  return result(L, pml_program_tell(p, server, call, pml_lua_ctext(L, 4, "text")),
                "there is no such server");
}

/* program:write(client, text): sends a line to the tool that is connected as `client` */
static int l_write(lua_State *L) {
  pml_program *p = check(L);
  size_t n;
  pml_id client = pml_lua_id(L, 2);
  const char *text = luaL_checklstring(L, 3, &n);
  pml_program_write(p, client, pml_slice_of(text, n));
  return 0;
}

/* program:peer(client) -> uid, pid | nil: the user that runs a tool, and the tool's process */
static int l_peer(lua_State *L) {
  uint32_t uid, pid;
  if (pml_program_peer(check(L), pml_lua_id(L, 2), &uid, &pid) != 0) return 0;
  lua_pushnumber(L, uid);
  lua_pushnumber(L, pid);
  return 2;
}

/* program:wake(ms): the hook `wake` is called once, so many milliseconds later */
static int l_wake(lua_State *L) {
  pml_program_wake(check(L), (uint32_t)luaL_checkinteger(L, 2));
  return 0;
}

/* program:log(level, text): writes a line to the program's own log */
static int l_log(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
  size_t n;
  pml_program *p = check(L);
  pml_level level = (pml_level)luaL_checkoption(L, 2, NULL, levels);
  const char *text = luaL_checklstring(L, 3, &n);
  pml_log_text(pml_program_log(p), level, text, n);
  return 0;
}

/* program:allUp(): all servers of the app, in this and in other processes, have been up once */
static int l_all_up(lua_State *L) {
  pml_program_all_up(check(L));
  return 0;
}

/* program:stop(): stops the program in order, as SIGTERM does */
static int l_stop(lua_State *L) {
  pml_program_stop(check(L));
  return 0;
}

/* program:stopServer(id, now) -> true | nil, message, "NOENT". now: the server's thread ends
 * without a stop in order. When the server has ended, the hook `server` is called. */
static int l_stop_server(lua_State *L) {
  pml_program *p = check(L);
  int rc = pml_program_stop_server(p, pml_lua_name(L, 2), lua_toboolean(L, 3));
  return result(L, rc, "there is no such server");
}

/* program:startServer{id=, type=, frontend=, boot=} -> true | nil, message, NAME. When the server
 * is up or has failed, the hook `server` is called. */
static int l_start_server(lua_State *L) {
  pml_program *p = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_getfield(L, 2, "id");
  lua_getfield(L, 2, "type");
  lua_getfield(L, 2, "boot");
  lua_getfield(L, 2, "frontend");
  pml_member_spec s = {
    .id = pml_lua_ctext(L, 3, "id"),
    .type = pml_lua_ctext(L, 4, "type"),
    .boot = pml_lua_ctext(L, 5, "boot"),
    .frontend = lua_toboolean(L, 6),
  };
  int rc = pml_program_start_server(p, &s);
  return result(L, rc,
                rc == PML_EEXIST    ? "a server of that id is running"
                : rc == PML_ECLOSED ? "the program is stopping"
                                    : "no thread for it");
}

/* program:health(up, servers): how many servers there are, and how many of them are up, for the
 * page server's /health */
static int l_health(lua_State *L) {
  pml_program *p = check(L);
  pml_program_set_health(p, (unsigned)luaL_checkinteger(L, 2), (unsigned)luaL_checkinteger(L, 3));
  return 0;
}

/* program:reloading(begins): a reload begins, or ends; the service manager hears of it */
static int l_reloading(lua_State *L) {
  pml_program_reloading(check(L), lua_toboolean(L, 2));
  return 0;
}

/* program:renew() -> boolean | nil, message, NAME: reads the page server's certificate again;
 * whether there is a new one */
static int l_renew(lua_State *L) {
  char err[640];
  int r = pml_program_renew(check(L), err, sizeof err);
  if (r < 0) return pml_lua_fail(L, r, err);
  lua_pushboolean(L, r);
  return 1;
}

/* Adds to what the table on top has under that name. */
static void add_count(const char *name, uint64_t n, void *ud) {
  lua_State *L = ud;
  lua_getfield(L, -1, name);
  lua_Number before = lua_tonumber(L, -1);
  lua_pop(L, 1);
  lua_pushnumber(L, before + (lua_Number)n);
  lua_setfield(L, -2, name);
}

/* program:webCounts() -> {[name] = number}: the counters of the page server, of its ports together;
 * empty without one */
static int l_web_counts(lua_State *L) {
  pml_program *p = check(L);
  lua_newtable(L);
  pml_program_web_counts(p, add_count, L);
  return 1;
}

/* program:bus() -> {process=, host=, pid=, up=} | nil: what this program is on the bus, and whether
 * the bus is there; nil: it is on none */
static int l_bus(lua_State *L) {
  pml_bus *b = pml_program_bus(check(L));
  if (!b) return 0;
  lua_createtable(L, 0, 4);
  lua_pushstring(L, pml_bus_process(b));
  lua_setfield(L, -2, "process");
  pml_lua_hostname(L);
  lua_setfield(L, -2, "host");
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  lua_pushboolean(L, pml_bus_is_up(b));
  lua_setfield(L, -2, "up");
  return 1;
}

/* program:askOthers(process | nil, call, text, ms) -> true | nil, message, "NOENT". Asks the
 * program of a process, or of every other one. The hook `answered` gets the lines of their answers,
 * with the number `call`. */
static int l_ask_others(lua_State *L) {
  size_t n;
  pml_program *p = check(L);
  const char *process = lua_isnil(L, 2) ? NULL : pml_lua_ctext(L, 2, "process");
  pml_id call = pml_lua_id(L, 3);
  const char *text = luaL_checklstring(L, 4, &n);
  uint32_t ms = (uint32_t)luaL_checkinteger(L, 5);
  return result(L, pml_program_ask_bus(p, process, call, pml_slice_of(text, n), ms),
                "there is no such process, or no bus");
}

/* program:answerOther(question, text, last): a line of the answer to what the hook `question` got
 */
static int l_answer_other(lua_State *L) {
  size_t n;
  pml_program *p = check(L);
  pml_id question = pml_lua_id(L, 2);
  const char *text = luaL_checklstring(L, 3, &n);
  pml_program_answer_bus(p, question, pml_slice_of(text, n), lua_toboolean(L, 4));
  return 0;
}

/* program:busCounts() -> {[name] = number}: what went over the bus; empty without one */
static int l_bus_counts(lua_State *L) {
  pml_bus *b = pml_program_bus(check(L));
  pml_bus_counts c;
  lua_newtable(L);
  if (!b) return 1;
  pml_bus_counts_get(b, &c);
  add_count("sent", c.sent, L);
  add_count("received", c.received, L);
  add_count("bytesSent", c.bytes_sent, L);
  add_count("bytesReceived", c.bytes_received, L);
  add_count("messagesSent", c.messages_sent, L);
  add_count("messagesReceived", c.messages_received, L);
  add_count("gaps", c.gaps, L);
  add_count("strangers", c.strangers, L);
  add_count("full", c.full, L);
  add_count("unsent", c.unsent, L);
  add_count("lostLinks", c.lost_links, L);
  add_count("listsWhole", c.lists_whole, L);
  add_count("listsChanged", c.lists_changed, L);
  add_count("listsSame", c.lists_same, L);
  add_count("listsMissed", c.lists_missed, L);
  add_count("listsForgotten", c.lists_forgotten, L);
  return 1;
}

static const luaL_Reg methods[] = {
  {"tell", l_tell},
  {"write", l_write},
  {"peer", l_peer},
  {"wake", l_wake},
  {"log", l_log},
  {"health", l_health},
  {"reloading", l_reloading},
  {"renew", l_renew},
  {"webCounts", l_web_counts},
  {"allUp", l_all_up},
  {"bus", l_bus},
  {"askOthers", l_ask_others},
  {"answerOther", l_answer_other},
  {"busCounts", l_bus_counts},
  {"stop", l_stop},
  {"stopServer", l_stop_server},
  {"startServer", l_start_server},
  {NULL, NULL},
};

/* --- the hooks, which the program calls ----------------------------------------------- */

/* Pushes the hook and the program's userdata. Returns 0 when the table of hooks has none of that
 * name. */
static int begin(pml_lua_control *c, pml_program *p, const char *name) {
  lua_State *L = c->L;
  lua_checkstack(L, 16);
  pml_anchor_push(L, &c->hooks);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  pml_anchor_push(L, &c->program);
  *(pml_program **)lua_touserdata(L, -1) = p;
  return 1;
}

/* Calls the hook with the nargs values that stand behind the userdata. Returns 0 when the hook has
 * returned nresults values; an error of the hook is logged. */
static int finish(pml_lua_control *c, pml_program *p, int nargs, int nresults) {
  return pml_lua_call(c->L, nargs + 1, nresults, pml_program_log(p), "control");
}

static void on_line(pml_program *p, pml_id client, pml_slice line, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "line")) return;
  lua_pushnumber(c->L, (lua_Number)client);
  lua_pushlstring(c->L, (const char *)line.p, line.n);
  finish(c, p, 2, 0);
}

static void on_gone(pml_program *p, pml_id client, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "gone")) return;
  lua_pushnumber(c->L, (lua_Number)client);
  finish(c, p, 1, 0);
}

static void on_told(pml_program *p, pml_id call, const char *text, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "told")) return;
  lua_pushnumber(c->L, (lua_Number)call);
  lua_pushstring(c->L, text);
  finish(c, p, 2, 0);
}

static int on_server(pml_program *p, const char *id, int up, const char *text, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "server")) return 0;
  lua_pushstring(c->L, id);
  lua_pushboolean(c->L, up);
  lua_pushstring(c->L, text);
  if (finish(c, p, 3, 1) != 0) return 0;
  int stays = lua_toboolean(c->L, -1);
  lua_pop(c->L, 1);
  return stays;
}

static void on_wish(pml_program *p, const char *server, pml_id number, const char *text, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "wish")) return;
  lua_pushstring(c->L, server);
  lua_pushnumber(c->L, (lua_Number)number);
  lua_pushstring(c->L, text);
  finish(c, p, 3, 0);
}

static void on_hup(pml_program *p, void *ud) {
  pml_lua_control *c = ud;
  if (begin(c, p, "hup")) finish(c, p, 0, 0);
}

static void on_wake(pml_program *p, void *ud) {
  pml_lua_control *c = ud;
  if (begin(c, p, "wake")) finish(c, p, 0, 0);
}

static void on_info(pml_program *p, const char *id, const char *json, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "informed")) return;
  lua_pushstring(c->L, id);
  lua_pushstring(c->L, json);
  finish(c, p, 2, 0);
}

static void on_remote(pml_program *p, const pml_bus_server *s, pml_bus_state state, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "remote")) return;
  lua_pushstring(c->L, pml_lua_bus_state(state));
  pml_lua_bus_push_server(c->L, s);
  finish(c, p, 2, 0);
}

static void on_superseded(pml_program *p, const char *id, const pml_bus_server *by, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "superseded")) return;
  lua_pushstring(c->L, id);
  pml_lua_bus_push_server(c->L, by);
  finish(c, p, 2, 0);
}

static void on_end(pml_program *p, int status, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "ended")) return;
  lua_pushinteger(c->L, status);
  finish(c, p, 1, 0);
}

static void on_question(pml_program *p, pml_id question, const char *process, pml_slice text,
                        void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "question")) return;
  lua_pushnumber(c->L, (lua_Number)question);
  lua_pushstring(c->L, process);
  lua_pushlstring(c->L, (const char *)text.p, text.n);
  finish(c, p, 3, 0);
}

static void on_answered(pml_program *p, pml_id call, const char *process, const char *text,
                        size_t late, void *ud) {
  pml_lua_control *c = ud;
  if (!begin(c, p, "answered")) return;
  lua_pushnumber(c->L, (lua_Number)call);
  lua_pushstring(c->L, process);
  lua_pushstring(c->L, text);
  lua_pushnumber(c->L, (lua_Number)late);
  finish(c, p, 4, 0);
}

static void make_program(lua_State *L) {
  pml_program **p = lua_newuserdata(L, sizeof *p);
  *p = NULL;
  pml_lua_class(L, TNAME, methods, NULL);
  lua_setmetatable(L, -2);
}

void pml_lua_control_read(lua_State *L, int idx, pml_lua_control *c, pml_program_options *o) {
  *c = (pml_lua_control){.L = L};
  lua_getfield(L, idx, "control");
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_getfield(L, -1, "path");
  o->control_path = pml_lua_ctext_field(L, -1, "control.path"); /* the table keeps it alive */
  lua_pop(L, 1);
  pml_anchor_hold(L, &c->hooks);
  make_program(L);
  pml_anchor_hold(L, &c->program);
  o->control = (pml_program_control){
    .on_line = on_line,
    .on_gone = on_gone,
    .on_told = on_told,
    .on_server = on_server,
    .on_wish = on_wish,
    .on_hup = on_hup,
    .on_wake = on_wake,
    .on_info = on_info,
    .on_remote = on_remote,
    .on_superseded = on_superseded,
    .on_end = on_end,
    .on_question = on_question,
    .on_answered = on_answered,
  };
}

void pml_lua_control_end(pml_lua_control *c) {
  if (!pml_anchor_holds(&c->program)) return;
  pml_anchor_push(c->L, &c->program);
  *(pml_program **)lua_touserdata(c->L, -1) = NULL;
  lua_pop(c->L, 1);
  pml_anchor_drop(c->L, &c->program);
  pml_anchor_drop(c->L, &c->hooks);
}

/* --- the tools' side --------------------------------------------------------------------- */

/* Keeps a line of the answer. Returns whether it is the last one. */
static int ask_line(pml_slice line, void *ud) {
  lua_State *L = ud;
  lua_pushlstring(L, (const char *)line.p, line.n);
  lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
  return memmem(line.p, line.n, "\"done\":true", 11) != NULL;
}

/* core.ask(path, line, ms) -> {line, …} | nil, message, "NOENT" | "TIMEOUT" | "IO", {line, …}.
 * Sends a line to the program that listens on the control socket at `path`, and waits, without
 * running anything else, for the lines of its answer: for so many milliseconds at most. After an
 * error the fourth value holds the lines that came before it. */
static int l_ask(lua_State *L) {
  size_t n;
  const char *path = pml_lua_ctext(L, 1, "path"), *line = luaL_checklstring(L, 2, &n);
  uint32_t ms = (uint32_t)luaL_checkinteger(L, 3);
  lua_newtable(L);
  int rc = pml_control_ask(path, pml_slice_of(line, n), ms, ask_line, L);
  if (rc == 0) return 1;
  int lines = lua_gettop(L);
  pml_lua_fail(L, rc,
               rc == PML_ENOENT     ? "no program listens there"
               : rc == PML_ETIMEOUT ? "no answer"
                                    : "the talk broke off");
  lua_pushvalue(L, lines);
  return 4;
}

void pml_open_control(lua_State *L) {
  lua_pushcfunction(L, l_ask);
  lua_setfield(L, -2, "ask");
}
