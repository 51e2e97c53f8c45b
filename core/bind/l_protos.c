#include "bind/l_protos.h"

#include "base/err.h"
#include "script/handle.h"
#include "script/values.h"
#include "wire/protobuf.h"

#define TNAME "pomelua.protos"

typedef struct {
  const void *kind;
  pml_protos *protos;
} object;

static const char kind;

static object *check(lua_State *L) { return pml_lua_object(L, 1, sizeof(object), &kind, TNAME); }

pml_protos *pml_lua_protos(lua_State *L, int idx) {
  object *o = pml_lua_object(L, idx, sizeof *o, &kind, TNAME);
  return o->protos;
}

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

/* The definition for the side at 2 and the route at 3; NULL: there is none. */
static const pml_proto *definition(lua_State *L) {
  static const char *const sides[] = {"server", "client", NULL};
  const pml_protos *p = check(L)->protos;
  int client = luaL_checkoption(L, 2, NULL, sides);
  return client ? pml_protos_client(p, slice_at(L, 3)) : pml_protos_server(p, slice_at(L, 3));
}

static int no_definition(lua_State *L) {
  return pml_lua_fail(L, PML_ENOENT, "this route has no definition");
}

static int misfit(lua_State *L, const pml_protobuf_error *err) {
  lua_pushnil(L);
  if (err->path[0]) lua_pushfstring(L, "%s: %s", err->path, err->what);
  else lua_pushstring(L, err->what);
  lua_pushstring(L, pml_err_name(PML_EINVAL));
  return 3;
}

/* The bytes of w, which is empty then. */
static int push_bytes(lua_State *L, pml_writer *w) {
  lua_pushlstring(L, w->len ? (const char *)pml_writer_at(w, 0) : "", w->len);
  pml_writer_drop(w);
  return 1;
}

/* protos:version() -> the version that clients keep; "" without files */
static int l_version(lua_State *L) {
  lua_pushstring(L, pml_protos_version(check(L)->protos));
  return 1;
}

/* protos:json() -> {"server":{…},"client":{…},"version":"…"}: sys.protos of a handshake */
static int l_json(lua_State *L) {
  pml_slice json = pml_buf_slice(pml_protos_json(check(L)->protos));
  lua_pushlstring(L, (const char *)json.p, json.n);
  return 1;
}

/* protos:has(side, route) -> boolean; side: "server", what servers send, or "client" */
static int l_has(lua_State *L) {
  lua_pushboolean(L, definition(L) != NULL);
  return 1;
}

/* protos:encode(side, route, json, empty, cesu8) -> bytes | nil, message, NAME; json: a text;
 * empty: a message without bytes is allowed, as from clients; cesu8: characters above U+FFFF as
 * two halves */
static int l_encode(lua_State *L) {
  const pml_proto *m = definition(L);
  pml_slice json = slice_at(L, 4);
  unsigned flags = (lua_toboolean(L, 5) ? PML_PROTOBUF_EMPTY : 0u) |
                   (lua_toboolean(L, 6) ? PML_PROTOBUF_CESU8 : 0u);
  pml_writer w = {0};
  pml_protobuf_error err;
  if (!m) return no_definition(L);
  if (pml_protobuf_encode(m, json, flags, &w, &err)) {
    pml_writer_drop(&w);
    return misfit(L, &err);
  }
  return push_bytes(L, &w);
}

/* protos:decode(side, route, bytes) -> json | nil, message, NAME */
static int l_decode(lua_State *L) {
  const pml_proto *m = definition(L);
  pml_slice bytes = slice_at(L, 4);
  pml_writer w = {0};
  if (!m) return no_definition(L);
  if (pml_protobuf_decode(m, bytes, &w)) {
    pml_writer_drop(&w);
    return pml_lua_fail(L, PML_EPROTO, "these bytes do not fit the definition");
  }
  return push_bytes(L, &w);
}

/* protos:check(side, route, json) -> json | nil, message, NAME: the text as it should be, with []
 * where a repeated field has {} */
static int l_check(lua_State *L) {
  const pml_proto *m = definition(L);
  pml_slice json = slice_at(L, 4);
  pml_writer w = {0};
  pml_protobuf_error err;
  if (!m) return no_definition(L);
  int rc = pml_protobuf_check(m, json, &w, &err);
  if (rc == 1) return push_bytes(L, &w);
  pml_writer_drop(&w);
  if (rc) return misfit(L, &err);
  lua_pushvalue(L, 4);
  return 1;
}

/* the definitions lose one that holds them */
static int l_gc(lua_State *L) {
  object *o = check(L);
  pml_protos_unref(o->protos);
  o->protos = NULL;
  return 0;
}

/* Pushes nil and the error as a table. */
static int refuse(lua_State *L, const pml_protos_error *e) {
  lua_pushnil(L);
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, e->server);
  lua_setfield(L, -2, "server");
  lua_pushnumber(L, e->line);
  lua_setfield(L, -2, "line");
  lua_pushstring(L, e->key);
  lua_setfield(L, -2, "key");
  lua_pushstring(L, e->what);
  lua_setfield(L, -2, "what");
  return 2;
}

/* core.protos(server | nil, client | nil) -> protos | nil, {server=, line=, key=, what=}: the texts
 * of serverProtos.json and clientProtos.json; nil: there is no such file */
static int l_protos(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"version", l_version}, {"json", l_json},   {"has", l_has}, {"encode", l_encode},
    {"decode", l_decode},   {"check", l_check}, {NULL, NULL},
  };
  pml_slice server = {0}, client = {0};
  if (!lua_isnoneornil(L, 1)) server = slice_at(L, 1);
  if (!lua_isnoneornil(L, 2)) client = slice_at(L, 2);
  lua_settop(L, 2); /* keeps the texts alive */
  object *o = lua_newuserdata(L, sizeof *o);
  o->kind = &kind;
  o->protos = NULL;
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_setmetatable(L, -2);
  pml_protos_error err = {0};
  o->protos = pml_protos_new(server, client, &err);
  return o->protos ? 1 : refuse(L, &err);
}

void pml_open_protos(lua_State *L) {
  lua_pushcfunction(L, l_protos);
  lua_setfield(L, -2, "protos");
}
