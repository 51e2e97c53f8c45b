/* l_door: who may come in as a client: networks and origins as texts, the lists of a node, and what
 * the clients of browsers say of themselves. */
#include "bind/l_door.h"

#include "base/err.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "bind/virtual.h"
#include "node/door.h"
#include "node/frontend.h"
#include "script/handle.h"
#include "script/values.h"

#include <lauxlib.h>

#define LIST_MAX 1000000

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

/* core.network(text) -> the address or network as it is written | nil, what is wrong */
static int l_network(lua_State *L) {
  char text[PML_CIDR_TEXT], why[PML_CIDR_WHY];
  pml_cidr c;
  if (pml_cidr_parse(slice_at(L, 1), &c, why)) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  pml_cidr_print(&c, text);
  lua_pushstring(L, text);
  return 1;
}

/* core.origin(text) -> true | nil, what is wrong */
static int l_origin(lua_State *L) {
  char why[PML_ORIGIN_WHY];
  pml_slice text = slice_at(L, 1);
  pml_origins *o = pml_origins_new(&text, 1, why);
  if (!o) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  pml_origins_free(o);
  lua_pushboolean(L, 1);
  return 1;
}

/* The texts of a list of strings at idx, in memory of Lua's, which stays on the stack. */
static pml_slice *texts_at(lua_State *L, int idx, uint32_t *count) {
  luaL_checktype(L, idx, LUA_TTABLE);
  size_t n = lua_objlen(L, idx);
  if (n > LIST_MAX) luaL_error(L, "the list has more than %d entries", LIST_MAX);
  pml_slice *v = lua_newuserdata(L, (n ? n : 1) * sizeof *v);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, idx, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "entry %d is no string", (int)i + 1);
    size_t len;
    const char *s = lua_tolstring(L, -1, &len); /* lives in the table */
    v[i] = pml_slice_of(s, len);
    lua_pop(L, 1);
  }
  *count = (uint32_t)n;
  return v;
}

/* node:setAddresses("allow" | "deny" | "trusted", {network, …} | nil) -> true | nil, message,
 * "INVAL": in force at once; clients that may not come in any more end */
static int l_set_addresses(lua_State *L) {
  static const char *const names[] = {"allow", "deny", "trusted", NULL};
  pml_lua *lua = pml_lua_check(L);
  pml_door_list which = (pml_door_list)luaL_checkoption(L, 2, NULL, names);
  char why[PML_CIDR_WHY];
  uint32_t n = 0;
  pml_cidr_list *list = NULL;
  if (!lua_isnoneornil(L, 3)) {
    pml_slice *texts = texts_at(L, 3, &n);
    pml_cidr *v = lua_newuserdata(L, (n ? n : 1) * sizeof *v);
    for (uint32_t i = 0; i < n; i++)
      if (pml_cidr_parse(texts[i], &v[i], why)) return pml_lua_fail(L, PML_EINVAL, why);
    list = pml_cidr_list_new(v, n);
  }
  pml_door_set(lua->node, which, list);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:setOrigins({origin, …} | nil) -> true | nil, message, "INVAL" */
static int l_set_origins(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  char why[PML_ORIGIN_WHY];
  uint32_t n = 0;
  pml_origins *o = NULL;
  if (!lua_isnoneornil(L, 2)) {
    const pml_slice *v = texts_at(L, 2, &n);
    o = pml_origins_new(v, n, why);
    if (!o) return pml_lua_fail(L, PML_EINVAL, why);
  }
  pml_door_origins(lua->node, o);
  lua_pushboolean(L, 1);
  return 1;
}

/* node:keepHeads(boolean): the HTTP requests of clients that come from here on can be read, while
 * entries.handshake runs */
static int l_keep_heads(lua_State *L) {
  pml_door_keep_heads(pml_lua_check(L)->node, lua_toboolean(L, 2));
  return 0;
}

/* node:head(sid) -> the HTTP request of its client, with its empty line | nil: none was kept */
static int l_head(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id sid = pml_lua_id(L, 2);
  pml_slice head = lua->virt ? pml__virtual_head(lua, sid) : pml_frontend_head(lua->node, sid);
  if (!head.n) return 0;
  lua_pushlstring(L, (const char *)head.p, head.n);
  return 1;
}

/* node:encryption(sid) -> version, cipher, name of the host that its client asked for | nil: it is
 * not encrypted */
static int l_encryption(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_tls_facts facts;
  if (!pml_frontend_encryption(lua->node, pml_lua_id(L, 2), &facts)) return 0;
  lua_pushstring(L, facts.version);
  lua_pushstring(L, facts.cipher);
  lua_pushstring(L, facts.name); /* NULL pushes nil */
  return 3;
}

const luaL_Reg pml_door_methods[] = {
  {"setAddresses", l_set_addresses}, {"setOrigins", l_set_origins},
  {"keepHeads", l_keep_heads},       {"head", l_head},
  {"encryption", l_encryption},      {NULL, NULL},
};

static const luaL_Reg functions[] = {{"network", l_network}, {"origin", l_origin}, {NULL, NULL}};

void pml_open_door(lua_State *L) { luaL_setfuncs(L, functions, 0); }
