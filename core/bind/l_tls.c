/* l_tls: methods of the node for TLS on the client port: certificates from files, and which of them
 * new connections get. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "net/tls_context.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "script/values.h"

#define TNAME "pomelua.certificates"
#define NAMES_MAX 100 /* each takes the thread about a millisecond */

static const char kind;

typedef struct {
  const void *kind; /* see pml_lua_object */
  pml_tls *t;
} handle;

static pml_tls *check(lua_State *L, int idx) {
  return ((handle *)pml_lua_object(L, idx, sizeof(handle), &kind, TNAME))->t;
}

/* the certificates lose one that holds them */
static int l_gc(lua_State *L) {
  handle *h = lua_touserdata(L, 1);
  pml_tls_unref(h->t);
  h->t = NULL;
  return 0;
}

/* certificates:notes() -> text: what the operator should know of them, one a line; "": nothing */
static int l_notes(lua_State *L) {
  lua_pushstring(L, pml_tls_notes(check(L, 1)));
  return 1;
}

/* certificates:ends() -> seconds since 1970 when the first of them ends, its file */
static int l_ends(lua_State *L) {
  const char *file;
  lua_pushnumber(L, (lua_Number)pml_tls_until(check(L, 1), &file));
  lua_pushstring(L, file);
  return 2;
}

/* The string in a field of the table at idx, which keeps it alive; NULL: there is none. */
static const char *text(lua_State *L, int idx, const char *name) {
  const char *s = NULL;
  lua_getfield(L, idx, name);
  if (lua_isstring(L, -1)) s = pml_lua_ctext_field(L, -1, name);
  lua_pop(L, 1);
  return s;
}

static const char *needed(lua_State *L, int idx, const char *name) {
  const char *s = text(L, idx, name);
  if (!s) luaL_error(L, "certificates: %s must be a string", name);
  return s;
}

/* The list `chain` of the table at idx, as far as there is room. */
static void read_chain(lua_State *L, int idx, const char *chain[PML_TLS_CHAIN_FILES]) {
  lua_getfield(L, idx, "chain");
  int n = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
  luaL_argcheck(L, n <= PML_TLS_CHAIN_FILES, 2, "at most 8 files in chain");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    chain[i] = pml_lua_ctext_field(L, -1, "a file of chain");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* The list `names` of the table at 2; their pairs are in a userdata at the top. */
static void read_names(lua_State *L, pml_tls_files *f) {
  lua_getfield(L, 2, "names");
  int list = lua_gettop(L), n = lua_istable(L, list) ? (int)lua_objlen(L, list) : 0;
  luaL_argcheck(L, n <= NAMES_MAX, 2, "at most 100 names");
  pml_tls_pair *v = lua_newuserdata(L, ((size_t)n + 1) * sizeof *v);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, list, i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    int idx = lua_gettop(L);
    v[i] = (pml_tls_pair){.name = needed(L, idx, "name"),
                          .setting = needed(L, idx, "setting"),
                          .cert = needed(L, idx, "cert"),
                          .key = needed(L, idx, "key")};
    read_chain(L, idx, v[i].chain);
    lua_settop(L, idx - 1);
  }
  f->names = v;
  f->n = (size_t)n;
}

/* node:certificates{base=, setting=, cert=, key=, chain = {path, …}, names = {{name=, setting=,
 * cert=, key=, chain=}, …}, strict=} -> certificates | nil, message, "INVAL": read from files.
 * strict: one that is not valid now is an error, and not a note */
static int l_certificates(lua_State *L) {
  static const luaL_Reg methods[] = {{"notes", l_notes}, {"ends", l_ends}, {NULL, NULL}};
  pml_lua *lua = pml_lua_check(L);
  char err[1024];
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  pml_tls_files f = {
    .cert = needed(L, 2, "cert"),
    .key = needed(L, 2, "key"),
    .base = needed(L, 2, "base"),
    .setting = needed(L, 2, "setting"),
    .tickets = lua->member ? pml_member_tickets(lua->member) : NULL,
  };
  lua_getfield(L, 2, "strict");
  f.strict = lua_toboolean(L, -1);
  read_chain(L, 2, f.chain);
  read_names(L, &f);
  handle *h = lua_newuserdata(L, sizeof *h);
  *h = (handle){.kind = &kind};
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_setmetatable(L, -2);
  h->t = pml_tls_load(&f, err, sizeof err);
  return h->t ? 1 : pml_lua_fail(L, PML_EINVAL, err);
}

/* node:useCertificates(certificates, required): new connections get them; required: and connections
 * without TLS are refused */
static int l_use(lua_State *L) {
  pml_node_set_tls(pml_lua_check(L)->node, check(L, 2), lua_toboolean(L, 3));
  return 0;
}

const luaL_Reg pml_tls_methods[] = {
  {"certificates", l_certificates}, {"useCertificates", l_use}, {NULL, NULL}};
