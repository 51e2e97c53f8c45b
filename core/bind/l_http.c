#include "bind/l_http.h"

#include "base/err.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "script/handle.h"
#include "script/values.h"
#include "wire/http_query.h"
#include "wire/http_routes.h"

#define TNAME "pomelua.httpRoutes"

typedef struct {
  const void *kind; /* see pml_lua_object */
  pml_http_routes *routes;
} routes;

static const char kind;

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *p = luaL_checklstring(L, idx, &n);
  return pml_slice_of(p, n);
}

static void push(lua_State *L, pml_slice s) { lua_pushlstring(L, (const char *)s.p, s.n); }

static pml_http_routes *check(lua_State *L, int idx) {
  return ((routes *)pml_lua_object(L, idx, sizeof(routes), &kind, TNAME))->routes;
}

/* __gc */
static int l_gc(lua_State *L) {
  pml_http_routes_unref(check(L, 1));
  return 0;
}

/* routes:find(method, path) -> 200, method of the route, pattern, {name, value, ...} still encoded
 * | 404 | 400: the path is not well encoded | 405 or 204 (OPTIONS), what the header Allow says */
static int l_find(lua_State *L) {
  const pml_http_routes *r = check(L, 1);
  pml_slice method = slice_at(L, 2);
  char allow[PML_HTTP_ALLOW];
  pml_http_match m;
  int rc = pml_http_routes_find(r, slice_at(L, 3), &m);
  if (rc != 0) {
    lua_pushinteger(L, rc == PML_ENOENT ? 404 : 400);
    return 1;
  }
  const char *of = pml_http_match_method(&m, method);
  if (!of) {
    pml_http_match_allow(&m, allow);
    lua_pushinteger(L, pml_slice_eq(method, pml_slice_str("OPTIONS")) ? 204 : 405);
    lua_pushstring(L, allow);
    return 2;
  }
  lua_pushinteger(L, 200);
  lua_pushstring(L, of);
  push(L, m.pattern);
  lua_createtable(L, (int)(2 * m.count), 0);
  for (uint32_t i = 0; i < m.count; i++) {
    push(L, m.name[i]);
    lua_rawseti(L, -2, 2 * (int)i + 1);
    push(L, m.value[i]);
    lua_rawseti(L, -2, 2 * (int)i + 2);
  }
  return 4;
}

static const luaL_Reg methods[] = {{"find", l_find}, {NULL, NULL}};

/* core.httpRoutes({method, pattern, method, pattern, ...}) -> routes | nil, message, "INVAL" */
static int l_routes(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_objlen(L, 1) / 2;
  char why[PML_HTTP_ROUTES_WHY];
  pml_http_route *v = lua_newuserdata(L, (n + 1) * sizeof *v);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 1, 2 * (int)i + 1);
    lua_rawgeti(L, 1, 2 * (int)i + 2);
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
      return luaL_error(L, "httpRoutes: strings are needed");
    v[i].method = slice_at(L, -2);
    v[i].pattern = slice_at(L, -1);
    lua_pop(L, 2); /* the list keeps them */
  }
  routes *u = lua_newuserdata(L, sizeof *u);
  u->kind = &kind;
  u->routes = NULL;
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_setmetatable(L, -2);
  u->routes = pml_http_routes_new(v, n, why);
  return u->routes ? 1 : pml_lua_fail(L, PML_EINVAL, why);
}

static void push_decoded(lua_State *L, pml_slice s, int form) {
  uint8_t *room = lua_newuserdata(L, s.n + 1); /* collected when something raises */
  push(L, pml_slice_of(room, pml_http_decode(s, form, room)));
  lua_remove(L, -2);
}

/* core.httpQuery(text) -> {name, value, ...}: the pairs of a query or a form, decoded */
static int l_query(lua_State *L) {
  pml_slice rest = slice_at(L, 1), name, value;
  int n = 0;
  lua_newtable(L);
  while (pml_http_query_next(&rest, &name, &value)) {
    push_decoded(L, name, 1);
    lua_rawseti(L, -2, ++n);
    push_decoded(L, value, 1);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* core.httpDecode(text) -> text without percent-encoding, as of a path */
static int l_decode(lua_State *L) {
  push_decoded(L, slice_at(L, 1), 0);
  return 1;
}

void pml_open_http(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"httpRoutes", l_routes}, {"httpQuery", l_query}, {"httpDecode", l_decode}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}

/* --- methods of the node ------------------------------------------------------------------ */

/* node:serveHttp(routes) -> whether this program has a page server for them */
static int l_serve(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_http_routes *r = check(L, 2);
  lua_pushboolean(L, lua->member && pml_member_serve_web(lua->member, r) == 0);
  return 1;
}

static void read_head(lua_State *L, int idx, pml_web_answer *a) {
  size_t n = lua_objlen(L, idx) / 2;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, idx, 2 * (int)i + 1);
    lua_rawgeti(L, idx, 2 * (int)i + 2);
    if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING)
      pml_web_answer_add(a, slice_at(L, -2), slice_at(L, -1));
    lua_pop(L, 2);
  }
}

/* node:answerHttp(id, status, {name, value, ...} | nil, body | nil) -> true | nil, message,
 * "CLOSED" | "TOOBIG": the client gets 500. Without the list it is the small page of the status. */
static int l_answer(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id id = pml_lua_id(L, 2);
  pml_web_answer a = {.status = (unsigned)luaL_checkinteger(L, 3), .whole = lua_istable(L, 4)};
  luaL_argcheck(L, a.status >= 200 && a.status <= 599, 3, "200 to 599");
  pml_slice body = lua_isnoneornil(L, 5) ? pml_slice_of(NULL, 0) : slice_at(L, 5);
  if (!lua->member) return pml_lua_fail(L, PML_ECLOSED, "a virtual node has no HTTP requests");
  if (a.whole) read_head(L, 4, &a);
  if (body.n) {
    a.body = pml_alloc(body.n);
    pml_slice_copy(a.body, body);
    a.size = body.n;
  }
  int rc = pml_member_answer_web(lua->member, id, &a);
  if (rc == PML_ETOOBIG) return pml_lua_fail(L, rc, "its body is above http.maxAnswer");
  if (rc != 0) return pml_lua_fail(L, rc, "this request has been answered");
  lua_pushboolean(L, 1);
  return 1;
}

/* node:waitsHttp(id) -> whether the client waits for its answer */
static int l_waits(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id id = pml_lua_id(L, 2);
  lua_pushboolean(L, lua->member && pml_member_waits_web(lua->member, id));
  return 1;
}

const luaL_Reg pml_http_methods[] = {
  {"serveHttp", l_serve}, {"answerHttp", l_answer}, {"waitsHttp", l_waits}, {NULL, NULL}};
