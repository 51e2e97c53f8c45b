#include "bind/l_bus.h"

#include "script/ctext.h"

#include <lauxlib.h>
#include <string.h>

/* The string in a field of the table at idx, which keeps it; NULL when there is none. */
static const char *text(lua_State *L, int idx, const char *name) {
  lua_getfield(L, idx, name);
  const char *s = lua_isnil(L, -1) ? NULL : pml_lua_ctext_field(L, -1, name);
  lua_pop(L, 1);
  return s;
}

static uint32_t ms(lua_State *L, int idx, const char *name) {
  lua_getfield(L, idx, name);
  lua_Number n = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  if (!(n >= 1 && n <= 3600000)) luaL_error(L, "bus: %s is out of range", name);
  return (uint32_t)n;
}

void pml_lua_bus_read(lua_State *L, pml_bus_options *o) {
  int bus = lua_gettop(L);
  luaL_checktype(L, bus, LUA_TTABLE);
  memset(o, 0, sizeof *o);
  o->cluster = text(L, bus, "cluster");
  if (!o->cluster) luaL_error(L, "bus: cluster is missing");
  o->user = text(L, bus, "user");
  o->password = text(L, bus, "password");
  o->creds = text(L, bus, "creds");
  o->ca = text(L, bus, "ca");
  o->heartbeat_ms = ms(L, bus, "heartbeat");
  o->timeout_ms = ms(L, bus, "timeout");
  lua_getfield(L, bus, "listMemory");
  lua_Number lists = luaL_optnumber(L, -1, 0);
  if (!(lists >= 0 && lists <= UINT32_MAX + 1.0)) luaL_error(L, "bus: listMemory is out of range");
  o->list_bytes = (size_t)lists;
  lua_pop(L, 1);
  lua_getfield(L, bus, "urls");
  luaL_checktype(L, -1, LUA_TTABLE);
  o->nurls = lua_objlen(L, -1);
  const char **urls = lua_newuserdata(L, (o->nurls + 1) * sizeof *urls);
  for (size_t i = 0; i < o->nurls; i++) {
    lua_rawgeti(L, -2, (int)i + 1);
    urls[i] = pml_lua_ctext_field(L, -1, "urls");
    lua_pop(L, 1); /* the list keeps it */
  }
  o->urls = urls;
  lua_remove(L, -2);
}

void pml_lua_bus_push_server(lua_State *L, const pml_bus_server *s) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, s->id);
  lua_setfield(L, -2, "id");
  lua_pushstring(L, s->process);
  lua_setfield(L, -2, "process");
  lua_pushstring(L, s->host);
  lua_setfield(L, -2, "host");
  lua_pushnumber(L, s->pid);
  lua_setfield(L, -2, "pid");
  lua_pushnumber(L, (lua_Number)s->incarnation); /* milliseconds since 1970, or a little more */
  lua_setfield(L, -2, "incarnation");
  lua_pushstring(L, s->info);
  lua_setfield(L, -2, "info");
}

const char *pml_lua_bus_state(pml_bus_state state) {
  static const char *const names[] = {"up", "leaving", "down"};
  return names[state];
}
