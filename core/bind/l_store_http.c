/* l_store_http: the options of a store of kind http: caFile, allowPrivate = {network, …},
 * connectTimeout, connectionsPerHost, connections, maxHeaders, idle. */
#include "bind/l_store.h"
#include "bind/store_options.h"
#include "store/http.h"

/* The networks of the list at the top; a userdata above it holds them. */
static void read_networks(lua_State *L, pml_http_options *o) {
  if (lua_isnil(L, -1)) return;
  luaL_checktype(L, -1, LUA_TTABLE);
  uint32_t n = (uint32_t)lua_objlen(L, -1);
  pml_cidr *v = lua_newuserdata(L, (n + 1) * sizeof *v);
  for (uint32_t i = 0; i < n; i++) {
    char why[PML_CIDR_WHY];
    size_t len;
    lua_rawgeti(L, -2, (int)i + 1);
    const char *text = luaL_checklstring(L, -1, &len);
    if (pml_cidr_parse(pml_slice_of(text, len), &v[i], why)) luaL_error(L, "%s", why);
    lua_pop(L, 1);
  }
  o->allow = v;
  o->n_allow = n;
}

pml_store *pml_lua_http(lua_State *L, int idx, const pml_lua *lua, pml_loop *l,
                        const pml_store_limits *limits, char *err, size_t nerr) {
  pml_http_options o = PML_HTTP_OPTIONS;
  int top = lua_gettop(L);
  (void)lua;
  o.connect_ms = pml_lua_store_number(L, idx, "connectTimeout", 1, PML_LUA_STORE_DAY, o.connect_ms);
  o.per_host = pml_lua_store_number(L, idx, "connectionsPerHost", 1, UINT32_MAX, o.per_host);
  o.total = pml_lua_store_number(L, idx, "connections", 1, UINT32_MAX, o.total);
  o.head_max = pml_lua_store_number(L, idx, "maxHeaders", 1, UINT32_MAX, o.head_max);
  o.idle_ms = pml_lua_store_number(L, idx, "idle", 1, PML_LUA_STORE_DAY, o.idle_ms);
  o.ca_file = pml_lua_store_text(L, idx, "caFile");
  lua_getfield(L, idx, "allowPrivate");
  read_networks(L, &o);
  pml_store *s = pml_http_open(l, &o, limits, err, nerr);
  lua_settop(L, top);
  return s;
}
