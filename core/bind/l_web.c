#include "bind/l_web.h"

#include "script/ctext.h"
#include "script/values.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

/* The string in a field of the table at idx, which keeps it; NULL when there is none. */
static const char *text(lua_State *L, int idx, const char *name) {
  lua_getfield(L, idx, name);
  const char *s = lua_isnil(L, -1) ? NULL : pml_lua_ctext_field(L, -1, name);
  lua_pop(L, 1);
  return s;
}

/* A whole number from 0; math.huge is "none", UINT32_MAX; 0 when the field is nil. */
static uint32_t number(lua_State *L, int idx, const char *name) {
  lua_getfield(L, idx, name);
  lua_Number n = lua_isnil(L, -1) ? 0 : luaL_checknumber(L, -1);
  lua_pop(L, 1);
  if (!(n >= 0) || (n != INFINITY && n >= UINT32_MAX))
    luaL_error(L, "web: %s is out of range", name);
  return n == INFINITY ? UINT32_MAX : (uint32_t)n;
}

/* Pushes the list in a field, and a block with a place of that size for each of its items. Returns
 * how many there are. */
static size_t list(lua_State *L, int idx, const char *name, size_t size, void **block) {
  lua_getfield(L, idx, name);
  size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  *block = lua_newuserdata(L, (n + 1) * size);
  return n;
}

static void read_headers(lua_State *L, int idx, pml_web_options *o) {
  void *block;
  o->header_count = list(L, idx, "headers", sizeof(pml_web_header), &block);
  pml_web_header *h = block;
  o->headers = h;
  for (size_t i = 0; i < o->header_count; i++) {
    lua_rawgeti(L, -2, (int)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    h[i].name = pml_lua_ctext_field(L, -2, "headers");
    h[i].value = lua_toboolean(L, -1) ? pml_lua_ctext_field(L, -1, "headers") : NULL;
    lua_pop(L, 3);
  }
}

static void read_proxies(lua_State *L, int idx, pml_web_options *o) {
  void *block;
  char why[PML_CIDR_WHY];
  o->proxy_count = (uint32_t)list(L, idx, "proxies", sizeof(pml_cidr), &block);
  pml_cidr *p = block;
  o->proxies = p;
  for (uint32_t i = 0; i < o->proxy_count; i++) {
    lua_rawgeti(L, -2, (int)i + 1);
    if (pml_cidr_parse(pml_slice_str(luaL_checkstring(L, -1)), &p[i], why) != 0)
      luaL_error(L, "web: proxies: %s", why);
    lua_pop(L, 1);
  }
}

static int field_is(lua_State *L, int idx, const char *name, int value) {
  lua_getfield(L, idx, name);
  int is = lua_isboolean(L, -1) && lua_toboolean(L, -1) == value;
  lua_pop(L, 1);
  return is;
}

static void read_pair(lua_State *L, int idx, pml_web_options *o) {
  o->cert = text(L, idx, "cert");
  o->key = text(L, idx, "key");
  o->base = text(L, idx, "base");
  if (!o->cert != !o->key) luaL_error(L, "web: cert and key need each other");
}

static void read_http(lua_State *L, int idx, pml_web_http *http) {
  lua_getfield(L, idx, "http");
  int at = lua_gettop(L);
  http->on = lua_istable(L, at);
  if (http->on) {
    http->limits.timeout_ms = number(L, at, "timeout");
    http->limits.waiting = number(L, at, "maxWaiting");
    http->limits.body = number(L, at, "maxBody");
    http->limits.answer = number(L, at, "maxAnswer");
    http->host = text(L, at, "host");
    lua_getfield(L, at, "port");
    http->own_port = !lua_isnil(L, -1);
    http->port = (int)luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void pml_lua_web_read(lua_State *L, pml_web_options *o) {
  int web = lua_gettop(L);
  luaL_checktype(L, web, LUA_TTABLE);
  memset(o, 0, sizeof *o);
  o->host = text(L, web, "host");
  o->root = field_is(L, web, "root", 0) ? NULL : text(L, web, "root");
  if (!o->root && !field_is(L, web, "root", 0)) luaL_error(L, "web: root is missing");
  lua_getfield(L, web, "port");
  o->port = (int)luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  read_pair(L, web, o);
  o->no_health = field_is(L, web, "health", 0);
  o->limits.connections = number(L, web, "connections");
  o->limits.per_address = number(L, web, "perAddress");
  o->limits.per_second = number(L, web, "perSecond");
  o->limits.loopback = field_is(L, web, "loopback", 1);
  o->limits.request_ms = number(L, web, "requestTime");
  o->limits.idle_ms = number(L, web, "idleTime");
  o->limits.least_rate = number(L, web, "leastRate");
  read_http(L, web, &o->http);
  read_headers(L, web, o);
  read_proxies(L, web, o);
}

/* core.webPair{cert = path, key = path, base = folder, strict = boolean} -> true | nil, message,
 * "INVAL": whether a page server can serve that pair of PEM files; with strict also whether the
 * certificate is valid today. */
static int l_web_pair(lua_State *L) {
  pml_web_options o = {0};
  char err[640] = "";
  luaL_checktype(L, 1, LUA_TTABLE);
  read_pair(L, 1, &o);
  if (!o.cert) return luaL_error(L, "webPair: cert is missing");
  int r = pml_web_check_pair(&o, field_is(L, 1, "strict", 1), err, sizeof err);
  if (r) return pml_lua_fail(L, r, err);
  lua_pushboolean(L, 1);
  return 1;
}

void pml_open_web(lua_State *L) {
  lua_pushcfunction(L, l_web_pair);
  lua_setfield(L, -2, "webPair");
}
