#include "script/script_lua.h"

#include "script/call.h"
#include "script/handle.h"
#include "bind/open.h"
#include "node/state.h"
#include "test/virtual.h"

#include <lualib.h>

/* A virtual node whose scripts are Lua, called through the port itself. */
typedef struct {
  virtual_node v;
  lua_State *L;
  pml_script *port;
} setup;

static void run(lua_State *L, const char *code) {
  char *err = NULL;
  CHECK_EQ(luaL_loadstring(L, code), 0);
  int rc = pml_lua_try(L, 0, 0, &err);
  if (err) fprintf(stderr, "%s\n", err);
  CHECK_EQ(rc, 0);
}

static void open_all(setup *x, const char *code) {
  virtual_open(&x->v, "f1", "connector", 1);
  x->L = luaL_newstate();
  luaL_openlibs(x->L);
  pml_lua_call_open(x->L);
  lua_pushcfunction(x->L, luaopen_pomelua_core);
  lua_setglobal(x->L, "open");
  run(x->L, "core = open()");
  pml_script_lua_set(pml_lua_node_push(x->L, x->v.node, NULL));
  lua_setglobal(x->L, "node");
  run(x->L, code);
  x->port = &x->v.node->script;
  CHECK_EQ(lua_gettop(x->L), 0);
}

static void close_all(setup *x) {
  CHECK_EQ(lua_gettop(x->L), 0);
  x->v.node->script = (pml_script){0};
  lua_close(x->L);
  virtual_close(&x->v);
}

/* Calls every function of the port once; returns what filter said. */
static int call_all(setup *x) {
  pml_script *p = x->port;
  pml_session s = {.id = 5, .uid = {"7", 1, 1}};
  pml_message_view m = {.type = 0, .id = 3, .route = pml_slice_str("a.b.c")};
  pml_envelope env = {.from = pml_slice_str("f2"), .session = 9, .msg_id = 3};
  env.from_incarnation = 77;
  const pml_close_reason text = {.kind = PML_CLOSE_TEXT, .text = pml_slice_str("slow")},
                         code = {.kind = PML_CLOSE_CODE, .code = 1006},
                         flag = {.kind = PML_CLOSE_FLAG, .code = 1}, nil = {.kind = PML_CLOSE_NIL};
  m.body = pml_slice_str("body");
  env.route = pml_slice_str("a.b.c");
  s.settings = pml_buf_from("{}", 2);
  p->on_message(p->ud, 11, &s, &m);
  p->on_message(p->ud, 0, &s, &m);
  p->on_forwarded(p->ud, 12, &env, m.body);
  p->on_call(p->ud, 0, &env, (pml_slice){0});
  p->on_answered(p->ud, 13, 0, pml_slice_str("[1]"));
  p->on_answered(p->ud, 13, 1, pml_slice_str("no"));
  p->on_answered(p->ud, 13, PML_ETIMEOUT, (pml_slice){0});
  p->on_answered(p->ud, 13, PML_ENOENT, (pml_slice){0});
  p->on_answered(p->ud, 13, PML_ECLOSED, (pml_slice){0});
  p->on_pushed(p->ud, 14, NULL, pml_slice_of("\1\0\0017", 4));
  p->on_pushed(p->ud, 14, "all fail", (pml_slice){0});
  p->on_handshake(p->ud, 5, m.body);
  p->on_route(p->ud, 15, pml_slice_str("chat"), &s, &m);
  p->on_closed(p->ud, &s, &text);
  p->on_closed(p->ud, &s, &code);
  p->on_closed(p->ud, &s, &flag);
  p->on_closed(p->ud, &s, &nil);
  p->on_timer(p->ud, 16);
  pml_stage stage = pml_script_lua_stage(p->ud);
  stage.start(stage.ud);
  stage.started(stage.ud);
  stage.stop(stage.ud, PML_STOP_TELLING, 17);
  pml_writer w = {0};
  CHECK_EQ(stage.pending(stage.ud, &w), 0); /* the entry gives no number */
  pml_writer_drop(&w);
  int keep = p->filter(p->ud, &s, m.body, (pml_slice){0});
  pml_buf_unref(s.settings);
  return keep;
}

#define NAMES \
  "local names = {'message', 'forwarded', 'call', 'answered', 'pushed', 'handshake', 'route', " \
  "'closed', 'timer', 'filter', 'start', 'started', 'stop', 'pending'} "

TEST(script_lua_gives_each_entry_its_arguments) {
  setup x;
  open_all(
    &x,
    NAMES "local entries = {} calls = {} "
          "for _, name in ipairs(names) do entries[name] = function(...) "
          "  local t = {name} "
          "  for i = 1, select('#', ...) do "
          "    local v = select(i, ...) "
          "    t[i + 1] = type(v) == 'table' and '{' .. table.concat(v, ',') .. '}' or tostring(v) "
          "  end "
          "  calls[#calls + 1] = table.concat(t, ' ') "
          "  return true, 'and more' "
          "end end "
          "node:entries(entries)");
  CHECK_EQ(call_all(&x), 1);
  run(x.L, "local want = [[\n"
           "message 11 5 7 {} 0 3 a.b.c body\n"
           "message nil 5 7 {} 0 3 a.b.c body\n"
           "forwarded 12 f2 9 nil nil 0 3 a.b.c body 77\n"
           "call nil f2 a.b.c  false\n"
           "answered 13 OK [1]\n"
           "answered 13 ERROR no\n"
           "answered 13 TIMEOUT no answer in time\n"
           "answered 13 NOENT the server is gone\n"
           "answered 13 CLOSED this server is stopping\n"
           "pushed 14 nil {7}\n"
           "pushed 14 all fail {}\n"
           "handshake 5 body\n"
           "route 15 chat 5 0 3 a.b.c body\n"
           "closed 5 7 {} slow\n"
           "closed 5 7 {} 1006\n"
           "closed 5 7 {} true\n"
           "closed 5 7 {} nil\n"
           "timer 16\n"
           "start\n"
           "started\n"
           "stop telling 17\n"
           "pending\n"
           "filter 5 7 {} body nil]]\n"
           "local got = table.concat(calls, '\\n') "
           "assert(got == want, got)");
  close_all(&x);
}

TEST(script_lua_survives_entries_that_raise) {
  setup x;
  open_all(&x, NAMES "local entries = {} "
                     "for _, name in ipairs(names) do "
                     "  entries[name] = function(...) error({...}) end end "
                     "node:entries(entries)");
  CHECK_EQ(call_all(&x), 0); /* a filter that fails keeps the session out */
  CHECK(strstr(x.v.log, "filter: (error object: table)\nstack traceback"));
  close_all(&x);
}

TEST(script_lua_survives_entries_that_yield) {
  setup x;
  open_all(&x, NAMES "local entries = {} "
                     "for _, name in ipairs(names) do entries[name] = coroutine.yield end "
                     "node:entries(entries)");
  CHECK_EQ(call_all(&x), 0);
  CHECK(strstr(x.v.log, "yield"));
  close_all(&x);
}

TEST(script_lua_calls_nothing_that_is_not_set) {
  setup x;
  open_all(&x, "node:entries{}");
  CHECK_EQ(call_all(&x), 1);
  CHECK_BYTES(x.v.log, strlen(x.v.log), "");
  run(x.L, "n = 0 node:entries{timer = function() n = n + 1 end}");
  run(x.L, "node:entries{timer = function() n = n + 10 end}"); /* in its place */
  x.port->on_timer(x.port->ud, 1);
  run(x.L, "assert(n == 10)");
  close_all(&x);
}

TEST(script_lua_ends_when_it_is_called_too_deep) {
  setup x;
  fake_sink f;
  open_all(&x, "depth = 0 all = node:channelService() "
               "node:setServers{{id = 'f1', type = 'connector', frontend = true}} "
               "node:entries{filter = function() depth = depth + 1 "
               "  all:broadcast('connector', 'onX', {}) return true end}");
  fake_sink_open(&f, pml_node_sessions(x.v.node));
  run(x.L, "all:broadcast('connector', 'onX', {})");
  run(x.L, "assert(depth == 16, depth)");
  CHECK_EQ(f.frames, 16);
  CHECK(strstr(x.v.log, "without end"));
  fake_sink_clear(&f);
  close_all(&x);
}
