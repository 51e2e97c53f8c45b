#include "bind/l_store.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "bind/store_options.h"
#include "bind/store_values.h"
#include "script/call.h"
#include "script/script_call.h"
#include "script/values.h"
#include "script/waiter.h"

#include <stdio.h>
#include <string.h>

#define TNAME "pomelua.store"

static const struct {
  const char *name;
  pml_store_open_fn open;
} kinds[] = {
  {"mysql", pml_lua_mysql}, {"redis", pml_lua_redis},       {"sqlite", pml_lua_sqlite},
  {"http", pml_lua_http},   {"postgres", pml_lua_postgres},
};

/* A store of a server ends with its server's handle, whether or not Lua has collected it: its
 * waiter waits for nothing else. */
typedef struct {
  pml_waiter waiter; /* not in a list when there is no server */
  pml_loop *own;     /* owned: of a command; NULL: the server's loop */
  pml_store *store;  /* NULL: closed */
  pml_slots *calls;
  pml_store_call now;  /* of l_now: what is left of its answer when it raises */
  pml_anchor answered; /* the function that gets the answers of calls with a number */
  void **slot;         /* the userdata */
} store;

typedef struct {
  pml_store_call call;
  pml_anchor fn;
  lua_Number number; /* in place of a function; 0: none */
  store *of;
  pml_id id;
  int answered;
} call;

static store *check(lua_State *L) {
  store **s = luaL_checkudata(L, 1, TNAME);
  if (!*s) luaL_error(L, "the store is closed");
  return *s;
}

/* --- the end --------------------------------------------------------------------------------- */

static void drop_call(void *obj, void *ud) {
  call *c = obj;
  lua_State *L = ud;
  pml_store_cancel(&c->call);
  pml_store_call_drop(&c->call);
  pml_anchor_drop(L, &c->fn);
  pml_free(c);
}

/* Its calls are forgotten: their functions are not called. */
static void end(lua_State *L, store *s) {
  *s->slot = NULL;
  if (!s->store) return; /* its options have raised */
  pml_slots_drain(s->calls, drop_call, L);
  pml_slots_free(s->calls);
  s->calls = NULL;
  pml_anchor_drop(L, &s->answered);
  pml_store_call_drop(&s->now);
  pml_store_close(s->store, NULL, NULL);
  s->store = NULL;
}

static void store_free(store *s) {
  if (!s->own) {
    pml_waiter_free(&s->waiter);
    return;
  }
  pml_loop_free(s->own);
  pml_free(s);
}

static void cancel_store(pml_waiter *w) {
  store *s = PML_CONTAINER(w, store, waiter);
  end(w->lua->L, s);
}

/* store:close(): harmless when it is closed */
static int l_close(lua_State *L) {
  store **slot = luaL_checkudata(L, 1, TNAME), *s = *slot;
  if (!s) return 0;
  end(L, s);
  store_free(s);
  return 0;
}

/* --- calls ----------------------------------------------------------------------------------- */

static int push_answer(lua_State *L, const void *args) {
  call *c = (call *)(uintptr_t)args;
  int numbered = c->number != 0;
  if (numbered) lua_pushnumber(L, c->number);
  return pml_lua_store_push(L, &c->call) + numbered;
}

static void on_done(pml_store_call *done, void *ud) {
  call *c = ud;
  (void)done;
  c->answered = 1;
  if (c->of->own) {
    pml_loop_stop(c->of->own);
    return;
  }
  pml_lua *lua = c->of->waiter.lua;
  const pml_anchor *fn = c->number != 0 ? &c->of->answered : &c->fn;
  const pml_lua_deferred d = {fn, 0, push_answer, c};
  pml_slots_take(c->of->calls, c->id); /* the function may close the store */
  pml_lua_store_check(&c->call);
  if (pml_anchor_holds(fn)) {
    pml_lua_defer(lua->L, &d);
    pml_script_call(lua, "answer of a store", pml_slice_of(NULL, 0), 1, 0);
  }
  pml_store_call_drop(&c->call);
  pml_anchor_drop(lua->L, &c->fn);
  pml_free(c);
}

static pml_store_op op_at(lua_State *L, int idx) {
  static const char *const names[] = {"query",  "exec",    "begin",   "commit", "rollback",
                                      "script", "command", "request", NULL};
  return (pml_store_op)luaL_checkoption(L, idx, NULL, names);
}

/* A command has no server to go on with: the answer is waited for. */
static int answer_now(lua_State *L, call *c) {
  while (!c->answered) pml_loop_run(c->of->own);
  pml_slots_take(c->of->calls, c->id);
  pml_lua_store_check(&c->call);
  lua_pushinteger(L, 0);
  int n = pml_lua_store_push(L, &c->call);
  pml_store_call_drop(&c->call);
  pml_anchor_drop(L, &c->fn);
  pml_free(c);
  return n + 1;
}

/* The values of a call: argument `at` is a table of them, or says how many there are from `first`
 * on. */
static int params_at(lua_State *L, int at, int first, pml_data *out, char *err, size_t nerr) {
  if (lua_isnoneornil(L, at)) return 0;
  if (lua_type(L, at) != LUA_TNUMBER) {
    luaL_checktype(L, at, LUA_TTABLE);
    return pml_lua_store_params(L, at, out, err, nerr);
  }
  int n = (int)lua_tointeger(L, at);
  luaL_argcheck(L, n >= 0 && n <= lua_gettop(L) - first + 1, at, "a number of values");
  return pml_lua_store_values(L, first, n, out, err, nerr);
}

/* store:submit(op, text | nil, params | n | nil, ms | nil, tx | nil, fn | number | nil, ...) -> id
 * | nil, message, NAME. params: a table of values, or how many follow behind; ms: how long it may
 * take. fn(nil, answer) or fn(code, message, sqlstate) is called once, in a later turn; with a
 * number, the store's function is, the number first. Of a command: -> 0, and what fn would get. */
static int l_submit(lua_State *L) {
  char err[256];
  size_t n = 0;
  store *s = check(L);
  if (lua_gettop(L) < 7) lua_settop(L, 7);
  pml_store_op op = op_at(L, 2);
  const char *text = luaL_optlstring(L, 3, NULL, &n);
  lua_Number ms = luaL_optnumber(L, 5, 0);
  luaL_argcheck(L, ms >= 0 && ms <= PML_LUA_STORE_DAY, 5, "milliseconds, at most a day");
  pml_id tx = lua_isnil(L, 6) ? 0 : pml_lua_id(L, 6);
  int numbered = lua_type(L, 7) == LUA_TNUMBER;
  if (!lua_isnil(L, 7) && !numbered) luaL_checktype(L, 7, LUA_TFUNCTION);
  pml_data params = {0};
  if (params_at(L, 4, 8, &params, err, sizeof err) != 0) return pml_lua_fail(L, PML_EINVAL, err);
  call *c = pml_alloc0(sizeof *c);
  c->of = s;
  c->call = (pml_store_call){
    .op = op, .params = params, .tx = tx, .ms = (uint32_t)ms, .done = on_done, .ud = c};
  if (text) c->call.text = pml_buf_from(text, n);
  if (pml_store_check(s->store, &c->call, err, sizeof err)) {
    pml_store_call_drop(&c->call);
    pml_free(c);
    return pml_lua_fail(L, PML_EINVAL, err);
  }
  c->id = pml_slots_put(s->calls, c);
  if (!c->id) {
    pml_store_call_drop(&c->call);
    pml_free(c);
    return pml_lua_fail(L, PML_EFULL, "too many calls are under way");
  }
  if (numbered) c->number = lua_tonumber(L, 7);
  else if (!lua_isnil(L, 7)) pml_anchor_hold(L, &c->fn);
  pml_id id = c->id;
  if (s->own) uv_update_time(pml_loop_uv(s->own)); /* it has stood still since the last call */
  pml_store_submit(s->store, &c->call);
  if (s->own) return answer_now(L, c);
  lua_pushnumber(L, (lua_Number)id);
  return 1;
}

/* Ready for the next query; the memory stays when it is little. */
static void clear(pml_store_call *c) {
  pml_data params = c->params, values = c->values;
  pml_data_clear(&params);
  pml_data_clear(&values);
  pml_buf_unref(c->message);
  *c = (pml_store_call){.op = PML_STORE_QUERY, .params = params, .values = values};
}

/* store:now(text, params | n | nil, ...) -> rows | nil: of a query outside of transactions whose
 * answer is there at once; otherwise, and for errors, it has to be submitted. The values are as
 * those of submit. */
static int l_now(lua_State *L) {
  char err[256];
  size_t n = 0;
  store *s = check(L);
  const char *text = luaL_checklstring(L, 2, &n);
  pml_store_call *c = &s->now;
  clear(c); /* it may have raised */
  int rows = 0;
  if (params_at(L, 3, 4, &c->params, err, sizeof err) == 0 &&
      pml_store_now(s->store, pml_slice_of(text, n), c)) {
    pml_lua_store_check(c);
    rows = c->rc ? 0 : pml_lua_store_push(L, c);
  }
  clear(c);
  return rows ? 1 : 0;
}

/* store:cancel(id) -> whether it was under way: its function is not called */
static int l_cancel(lua_State *L) {
  store *s = check(L);
  call *c = pml_slots_take(s->calls, pml_lua_id(L, 2));
  if (c) drop_call(c, L);
  lua_pushboolean(L, c != NULL);
  return 1;
}

/* store:release(tx): the transaction is rolled back, before anything else */
static int l_release(lua_State *L) {
  store *s = check(L);
  pml_id tx = pml_lua_id(L, 2);
  if (tx) pml_store_release(s->store, tx);
  return 0;
}

static void set(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* store:stats() -> {waiting=, open=, busy=, calls=, errors=, timeouts=, refused=, us=, took =
 * {how many calls took at most bounds[i], …}, bounds = {microseconds, …}} */
static int l_stats(lua_State *L) {
  pml_store_stats st;
  pml_store_stats_get(check(L)->store, &st);
  lua_createtable(L, 0, 10);
  set(L, "waiting", st.waiting);
  set(L, "open", st.open);
  set(L, "busy", st.busy);
  set(L, "calls", (double)st.calls);
  set(L, "errors", (double)st.errors);
  set(L, "timeouts", (double)st.timeouts);
  set(L, "refused", (double)st.refused);
  set(L, "us", (double)st.us);
  lua_createtable(L, PML_STORE_CLASSES, 0);
  lua_createtable(L, PML_STORE_CLASSES, 0);
  for (int i = 0; i < PML_STORE_CLASSES; i++) {
    lua_pushnumber(L, (double)st.took[i]);
    lua_rawseti(L, -3, i + 1);
    if (i == PML_STORE_CLASSES - 1) break;
    lua_pushnumber(L, pml_store_bounds[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -3, "bounds");
  lua_setfield(L, -2, "took");
  return 1;
}

static const luaL_Reg methods[] = {
  {"submit", l_submit}, {"now", l_now},     {"cancel", l_cancel}, {"release", l_release},
  {"stats", l_stats},   {"close", l_close}, {NULL, NULL},
};

/* --- opening --------------------------------------------------------------------------------- */

static void read_limits(lua_State *L, int idx, pml_store_limits *l) {
  *l = PML_STORE_LIMITS;
  l->max_waiting = pml_lua_store_number(L, idx, "waiting", 1, UINT32_MAX, l->max_waiting);
  l->ms = pml_lua_store_number(L, idx, "timeout", 1, PML_LUA_STORE_DAY, l->ms);
  l->max_rows = pml_lua_store_number(L, idx, "rows", 1, UINT32_MAX, l->max_rows);
  l->max_bytes = pml_lua_store_number(L, idx, "bytes", 1, UINT32_MAX, (uint32_t)l->max_bytes);
}

static pml_store_open_fn opener_at(lua_State *L, int idx) {
  const char *kind = luaL_checkstring(L, idx);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, kind) == 0) return kinds[i].open;
  luaL_error(L, "there is no kind of store '%s'", kind);
  return NULL;
}

/* NULL: the system gives no event loop. */
static store *new_store(lua_State *L, pml_lua *lua) {
  if (lua) return pml_waiter_new(L, lua, 0, sizeof(store), cancel_store);
  pml_loop *own = pml_loop_new();
  if (!own) return NULL;
  store *s = pml_alloc0(sizeof *s);
  s->own = own;
  return s;
}

/* core.store(node | nil, kind, options, answered | nil) -> store | nil, message, NAME. options:
 * waiting, timeout, rows, bytes, and those of the kind. answered: the function of calls that have a
 * number. Without a node it is a command's: submit waits. */
static int l_store(lua_State *L) {
  char err[512] = "an event loop cannot be made";
  pml_store_limits limits;
  lua_settop(L, 4);
  if (!lua_isnil(L, 4)) luaL_checktype(L, 4, LUA_TFUNCTION);
  pml_lua *lua = lua_isnil(L, 1) ? NULL : pml_lua_check(L);
  pml_store_open_fn open = opener_at(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  read_limits(L, 3, &limits);
  store **slot = lua_newuserdata(L, sizeof *slot);
  *slot = NULL;
  pml_lua_class(L, TNAME, methods, l_close);
  lua_setmetatable(L, -2);
  store *s = new_store(L, lua);
  if (!s) return pml_lua_fail(L, PML_EIO, err);
  /* From here on: what raises leaves it to its collection, or to the end of its server. */
  s->slot = (void **)slot;
  *slot = s;
  s->store = open(L, 3, lua, s->own ? s->own : pml_node_loop(lua->node), &limits, err, sizeof err);
  if (!s->store) {
    *slot = NULL;
    store_free(s);
    return pml_lua_fail(L, PML_ENOENT, err);
  }
  s->calls = pml_slots_new(NULL);
  if (lua_isnil(L, 4)) return 1;
  lua_pushvalue(L, 4);
  pml_anchor_hold(L, &s->answered);
  return 1;
}

void pml_open_store(lua_State *L) {
  lua_pushcfunction(L, l_store);
  lua_setfield(L, -2, "store");
  lua_pushcfunction(L, pml_lua_store_blob);
  lua_setfield(L, -2, "blob");
  lua_pushcfunction(L, pml_lua_sqlite_backup);
  lua_setfield(L, -2, "sqliteBackup");
}
