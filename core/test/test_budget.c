/* The budget as a server sees it, and with it script/budget_stop.c, script/budget_watch.c and
 * script/budget_describe.c. Processor time is what a budget counts, so that a busy machine changes
 * no result. */
#include "test/test.h"

#include "script/budget.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATES 4
#define KILLS 50
#define SHORT_MS 3
#define NEVER_MS 60000 /* grace for tests that do not end the process */
#define PATIENCE_S 60  /* hundreds of stops, each of which waits for its turn on a busy machine */

typedef struct {
  pml_budget *budget;
  const char *code;
  int kills;
  uint32_t ms;
  pthread_t thread;
  pml_log log;
  lua_State *L;
  pml_budget_slot *slot;
} server;

static void open_server(server *s) {
  pml_log_init(&s->log, "test-1", PML_INFO, 0);
  s->L = luaL_newstate();
  luaL_openlibs(s->L);
  s->slot = pml_budget_join(s->budget, s->L, s->ms, &s->log);
}

static void close_server(server *s) {
  pml_budget_quit(s->slot);
  lua_close(s->L);
}

/* Under a budget. The result, or the error's text, is on top afterwards. */
static int call(server *s, const char *code) {
  lua_settop(s->L, 0);
  if (luaL_loadstring(s->L, code) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(s->L, -1));
    exit(1);
  }
  pml_budget_enter(s->slot, "test", pml_slice_str("code"));
  int rc = lua_pcall(s->L, 0, 1, 0);
  pml_budget_leave(s->slot);
  return rc;
}

static int stopped(server *s, const char *code) {
  int rc = call(s, code);
  const char *text = lua_tostring(s->L, -1);
  if (rc == 0) return 0;
  if (strstr(text, "handler stopped: over its budget of")) return 1;
  fprintf(stderr, "another error: %s\n", text);
  exit(1);
}

#define SUM "local s = 0 for i = 1, 1e5 do s = s + i % 7 end return s"

static int usable(server *s) { return call(s, SUM) == 0 && lua_tointeger(s->L, -1) == 300000; }

static void *kill_often(void *ud) {
  server *s = ud;
  open_server(s);
  for (int i = 0; i < s->kills; i++) CHECK(stopped(s, s->code));
  CHECK(usable(s));
  close_server(s);
  return NULL;
}

/* As the program starts them: with every signal blocked. */
static void start_thread(server *s, void *(*run)(void *)) {
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &before);
  CHECK_EQ(pthread_create(&s->thread, NULL, run, s), 0);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void kill_in_all_states(const char *code) {
  server s[STATES];
  pml_budget *b = pml_budget_new(NEVER_MS);
  CHECK(b);
  alarm(PATIENCE_S);
  for (int i = 0; i < STATES; i++) {
    s[i] = (server){.budget = b, .code = code, .kills = KILLS, .ms = SHORT_MS};
    start_thread(&s[i], kill_often);
  }
  for (int i = 0; i < STATES; i++) pthread_join(s[i].thread, NULL);
  pml_budget_free(b);
}

TEST(budget_stops_an_empty_loop_in_four_states) { kill_in_all_states("while true do end"); }

TEST(budget_stops_pairs_in_four_states) {
  kill_in_all_states("local t = {} for i = 1, 100 do t['k' .. i] = i end\n"
                     "local n = 0 while true do for _, v in pairs(t) do n = n + v end end");
}

TEST(budget_stops_nested_pcalls_in_four_states) {
  kill_in_all_states("local function spin() while true do end end\n"
                     "while true do pcall(function() while true do pcall(spin) end end) end");
}

TEST(budget_stops_xpcall_in_four_states) {
  kill_in_all_states("local function spin() while true do end end\n"
                     "local function handler(e) return debug.traceback(e) end\n"
                     "while true do xpcall(spin, handler) end");
}

TEST(budget_stops_coroutines_in_four_states) {
  kill_in_all_states("local function gen() while true do coroutine.yield(1) end end\n"
                     "local n = 0 while true do local next = coroutine.wrap(gen)\n"
                     "for _ = 1, 10 do n = n + next() end end");
}

TEST(budget_stops_inside_of_a_coroutine_in_four_states) {
  kill_in_all_states("while true do\n"
                     "  local co = coroutine.create(function() while true do end end)\n"
                     "  coroutine.resume(co)\n"
                     "end");
}

TEST(budget_stops_recursion_in_four_states) {
  kill_in_all_states("local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end\n"
                     "while true do fib(20) end");
}

TEST(budget_stops_work_with_strings_in_four_states) {
  kill_in_all_states("local n = 0 while true do\n"
                     "  local s = ('x'):rep(20) .. n\n"
                     "  n = n + #s:gsub('x', 'y') + #(s:match('%d+') or '')\n"
                     "end");
}

TEST(budget_stops_a_sort_with_its_own_order_in_four_states) {
  kill_in_all_states("local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1009 end\n"
                     "while true do table.sort(t, function(a, b) return a < b end)\n"
                     "table.sort(t, function(a, b) return a > b end) end");
}

TEST(budget_stops_300_calls_in_a_row) {
  server s = {.code = "while true do end", .kills = 300, .ms = SHORT_MS};
  alarm(PATIENCE_S);
  s.budget = pml_budget_new(NEVER_MS);
  kill_often(&s);
  pml_budget_free(s.budget);
}

TEST(budget_stops_calls_of_different_code_in_a_row) {
  const char *code[] = {
    "while true do end",
    "local t = {} while true do t[#t % 100 + 1] = {} end",
    "local ffi = require 'ffi' local p = ffi.new('int[10]')\n"
    "while true do for i = 0, 9 do p[i] = p[i] + 1 end end",
    "local mt = {__index = function(t, k) return k end} local t = setmetatable({}, mt)\n"
    "local n = 0 while true do n = n + t[1] end",
    "repeat until false",
    "::top:: goto top",
    "local co = coroutine.wrap(function() pcall(function() while true do end end) end)\n"
    "co() while true do end",
  };
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  alarm(PATIENCE_S);
  for (size_t k = 0; k < 10; k++)
    for (size_t i = 0; i < sizeof code / sizeof *code; i++) CHECK(stopped(&s, code[i]));
  CHECK(usable(&s));
  close_server(&s);
  pml_budget_free(s.budget);
}

static void *never_stopped(void *ud) {
  server *s = ud;
  open_server(s);
  for (int i = 0; i < s->kills; i++) CHECK(usable(s));
  close_server(s);
  return NULL;
}

/* While one server is being stopped again and again, the others go on. */
TEST(budget_never_stops_a_call_that_keeps_within_it) {
  server s[STATES];
  pml_budget *b = pml_budget_new(NEVER_MS);
  alarm(PATIENCE_S);
  for (int i = 0; i < STATES; i++) {
    s[i] = (server){.budget = b, .code = "while true do end", .kills = i ? 500 : KILLS};
    s[i].ms = i ? 1000 : SHORT_MS;
    start_thread(&s[i], i ? never_stopped : kill_often);
  }
  for (int i = 0; i < STATES; i++) pthread_join(s[i].thread, NULL);
  pml_budget_free(b);
}

TEST(budget_of_0_is_none) {
  server s = {.ms = 0};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  CHECK(!stopped(&s, "local t = os.clock() while os.clock() - t < 0.1 do end"));
  pml_budget_set(s.slot, SHORT_MS);
  CHECK(stopped(&s, "while true do end"));
  pml_budget_set(s.slot, 0);
  CHECK(!stopped(&s, "local t = os.clock() while os.clock() - t < 0.1 do end"));
  CHECK(usable(&s));
  close_server(&s);
  pml_budget_free(s.budget);
}

static int l_set(lua_State *L) {
  pml_budget_set(lua_touserdata(L, lua_upvalueindex(1)), (uint32_t)lua_tointeger(L, 1));
  return 0;
}

static int l_renew(lua_State *L) {
  pml_budget_renew(lua_touserdata(L, lua_upvalueindex(1)));
  return 0;
}

static void set_function(server *s, const char *name, lua_CFunction fn) {
  lua_pushlightuserdata(s->L, s->slot);
  lua_pushcclosure(s->L, fn, 1);
  lua_setglobal(s->L, name);
}

TEST(budget_may_be_set_by_the_script_that_it_is_for) {
  server s = {.ms = 1000};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  set_function(&s, "set", l_set);
  CHECK(stopped(&s, "set(5) while true do end"));
  CHECK(!stopped(&s, "set(0) local t = os.clock() while os.clock() - t < 0.1 do end"));
  CHECK(stopped(&s, "set(5) while true do pcall(set, 6) end"));
  CHECK(usable(&s));
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_is_not_renewed_for_what_is_not_being_stopped) {
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  set_function(&s, "renew", l_renew);
  CHECK(stopped(&s, "while true do renew() end"));
  close_server(&s);
  pml_budget_free(s.budget);
}

/* The scheduler: it resumes what is stopped, lives on, and runs the next. */
TEST(budget_spares_functions_by_their_chunk) {
  static const char scheduler[] =
    "local renew, spin = ...\n"
    "local function run() local n = 0\n"
    "  for _ = 1, 5 do\n"
    "    local ok, err = coroutine.resume(coroutine.create(spin))\n"
    "    for _ = 1, 100 do table.insert({}, 1) table.remove({1, 2}, 1) end\n"
    "    if not ok and err:find('over its budget', 1, true) then n = n + 1 end\n"
    "    renew()\n"
    "  end\n"
    "  return n\n"
    "end\n"
    "return run()";
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  set_function(&s, "renew", l_renew);
  pml_budget_spare(s.slot, "@ours/");
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(luaL_loadbuffer(s.L, scheduler, sizeof scheduler - 1, "@ours/task.lua"), 0);
    lua_getglobal(s.L, "renew");
    CHECK_EQ(luaL_loadstring(s.L, "while true do pcall(function() while true do end end) end"), 0);
    pml_budget_enter(s.slot, "test", pml_slice_str(""));
    CHECK_EQ(lua_pcall(s.L, 2, 1, 0), 0);
    pml_budget_leave(s.slot);
    CHECK_EQ(lua_tointeger(s.L, -1), 5);
  }
  CHECK(usable(&s));
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_of_nested_calls_is_the_outermost) {
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  pml_budget_enter(s.slot, "outer", pml_slice_str(""));
  CHECK(stopped(&s, "while true do end"));
  CHECK(pml_budget_over(s.slot)); /* the outer call is still being stopped */
  CHECK(stopped(&s, "while true do end"));
  pml_budget_leave(s.slot);
  CHECK(!pml_budget_over(s.slot));
  CHECK(usable(&s));
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_says_where_the_script_was) {
  server s = {.ms = 5};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  CHECK_EQ(luaL_loadstring(s.L, "\nlocal function f() while true do\n\nend end f()"), 0);
  pml_budget_enter(s.slot, "test", pml_slice_str(""));
  CHECK(lua_pcall(s.L, 0, 0, 0) != 0);
  pml_budget_leave(s.slot);
  const char *text = lua_tostring(s.L, -1);
  CHECK(strstr(text, "]:2: handler stopped: over its budget of 5 ms"));
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_slots_come_and_go) {
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  for (int i = 0; i < 20; i++) {
    open_server(&s);
    CHECK(stopped(&s, "while true do end"));
    close_server(&s);
  }
  pml_budget_free(s.budget);
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  CHECK(stopped(&s, "while true do end"));
  close_server(&s);
  pml_budget_free(s.budget);
}

static int without_time; /* the test's own process: no budget of time, 50 MiB */

static void keep_line(pml_level level, const char *text, void *ud) {
  (void)level;
  if (strstr(text, "is blocked")) snprintf(ud, 256, "%s", text);
}

/* What a process that runs code under a budget of 20 ms and a grace of 100 ms
 * writes on stderr, and its status. */
static int last_words(const char *code, char *text, size_t n) {
  int end[2];
  CHECK_EQ(pipe(end), 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    dup2(end[1], STDERR_FILENO);
    close(end[1]);
    server s = {.ms = without_time ? 0 : 20};
    s.budget = pml_budget_new(100);
    open_server(&s);
    if (without_time) pml_budget_memory(s.slot, 50);
    call(&s, code);
    _exit(0);
  }
  close(end[1]);
  size_t len = 0;
  ssize_t got;
  while (len + 1 < n && (got = read(end[0], text + len, n - 1 - len)) > 0) len += (size_t)got;
  text[len] = '\0';
  close(end[0]);
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(budget_ends_the_process_when_lua_cannot_be_interrupted) {
  char text[512];
  CHECK_EQ(last_words("return ('a'):rep(40):find(('a-'):rep(20) .. 'b')", text, sizeof text),
           PML_EXIT_SCRIPT);
  CHECK(strstr(text, " test-1 test code has run for "));
  CHECK(strstr(text, " ms and cannot be stopped (budget 20 ms): the process ends\n"));
  CHECK(strchr(text, '\n')[1] == '\0'); /* one line */
}

static int count(const char *text, const char *part) {
  int n = 0;
  for (; (text = strstr(text, part)); text++) n++;
  return n;
}

TEST(budget_says_of_a_call_that_waits_in_c_that_it_is_blocked) {
  char text[1024];
  CHECK_EQ(last_words("os.execute('exec sleep 2 2>&-')", text, sizeof text), 0);
  CHECK_EQ(count(text, " test-1 test code is blocked in C"), 1);
  CHECK_EQ(count(text, " test-1 test code is no longer blocked\n"), 1);
  CHECK_EQ(count(text, "\n"), 2);
}

TEST(budget_counts_calls_that_were_blocked) {
  uint64_t blocks = 0;
  uint32_t generation = 7;
  char line[256] = "";
  server s = {.ms = 0};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  s.log.on_line = keep_line;
  s.log.ud = line;
  pml_budget_tell(s.slot, &blocks, &generation);
  pml_budget_memory(s.slot, 4000);
  CHECK_EQ(call(&s, "os.execute('exec sleep 2')"), 0);
  CHECK_EQ(blocks, 1);
  CHECK(strstr(line, "(generation 7)"));
  CHECK_EQ(call(&s, "return 1"), 0);
  CHECK_EQ(blocks, 1);
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_of_a_server_that_starts_is_longer) {
  server s = {.ms = SHORT_MS};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  pml_budget_least(s.slot, 200);
  CHECK(stopped(&s, "while true do end"));
  CHECK(strstr(lua_tostring(s.L, -1), "over its budget of 200 ms"));
  pml_budget_start(s.slot, 100);
  CHECK(stopped(&s, "while true do end"));
  CHECK(strstr(lua_tostring(s.L, -1), "over its budget of 100 ms"));
  pml_budget_least(s.slot, 0);
  pml_budget_start(s.slot, 100); /* it does not start any more */
  CHECK(stopped(&s, "while true do end"));
  CHECK(strstr(lua_tostring(s.L, -1), "over its budget of 3 ms"));
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_describes_the_call_that_runs) {
  char text[224];
  server s = {.ms = 0};
  s.budget = pml_budget_new(NEVER_MS);
  open_server(&s);
  pml_budget_describe(s.slot, text);
  CHECK_BYTES(text, strlen(text), "no script");
  pml_budget_enter(s.slot, "message", pml_slice_str("a.b\n\"c"));
  pml_budget_describe(s.slot, text);
  CHECK_BYTES(text, strlen(text), "message a.b??c (generation 1)");
  pml_budget_leave(s.slot);
  close_server(&s);
  pml_budget_free(s.budget);
}

TEST(budget_ends_the_process_for_memory_without_a_budget_of_time) {
  char text[512];
  without_time = 1;
  CHECK_EQ(last_words("local t = {} while true do t[#t + 1] = { #t } end", text, sizeof text),
           PML_EXIT_SCRIPT);
  CHECK_EQ(count(text, " test-1 test code holds over memoryHard of 50 MiB: the process ends\n"), 1);
}

TEST(budget_leaves_alone_the_process_whose_c_call_comes_back) {
  char text[512];
  CHECK_EQ(last_words("os.execute('exec sleep 0.06 2>&-')", text, sizeof text), 0);
  CHECK_BYTES(text, strlen(text), "");
}
