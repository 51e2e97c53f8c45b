#include "bind/l_codec.h"

#include "base/crc32.h"
#include "base/err.h"
#include "script/values.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

/* core.crc32(bytes) -> the absolute value of the signed CRC-32, as Pomelo's default route uses it
 */
static int l_crc32(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  int32_t crc = (int32_t)pml_crc32(s, n);
  lua_pushnumber(L, crc < 0 ? -(lua_Number)crc : (lua_Number)crc);
  return 1;
}

/* core.read_message(bytes) -> {type=, id=, route= | code=, gzip=, body=} | nil, message, "PROTO" */
static int l_read_message(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  pml_message_view m;
  int rc = pml_message_read(pml_slice_of(s, n), &m);
  if (rc) return pml_lua_fail(L, rc, "these bytes are no message");
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, m.type);
  lua_setfield(L, -2, "type");
  lua_pushnumber(L, m.id);
  lua_setfield(L, -2, "id");
  if (m.compressed) {
    lua_pushinteger(L, m.code);
    lua_setfield(L, -2, "code");
  } else if (m.type != PML_MSG_RESPONSE && m.type <= PML_MSG_PUSH) {
    lua_pushlstring(L, (const char *)m.route.p, m.route.n);
    lua_setfield(L, -2, "route");
  }
  lua_pushboolean(L, m.gzip);
  lua_setfield(L, -2, "gzip");
  lua_pushlstring(L, (const char *)m.body.p, m.body.n);
  lua_setfield(L, -2, "body");
  return 1;
}

/* core.write_message{type=, id=, route= | code=, gzip=, body=} -> bytes | nil, message, "TOOBIG" */
static int l_write_message(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  static const char *const fields[] = {"type", "id", "route", "code", "gzip", "body"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) lua_getfield(L, 1, fields[i]);
  size_t nroute = 0, nbody = 0;
  lua_Number type = luaL_checknumber(L, 2), id = luaL_optnumber(L, 3, 0),
             code = luaL_optnumber(L, 5, 0);
  const char *route = luaL_optlstring(L, 4, "", &nroute), *body = luaL_optlstring(L, 7, "", &nbody);
  luaL_argcheck(L, type >= 0 && type <= 7, 1, "type is from 0 to 7");
  luaL_argcheck(L, id >= 0 && id <= PML_MSG_ID_MAX, 1, "id is from 0 to 2147483647");
  luaL_argcheck(L, code >= 0 && code <= 65535, 1, "route number is overflow");
  pml_message_view m = {
    .type = (uint8_t)type,
    .compressed = !lua_isnil(L, 5),
    .gzip = (uint8_t)lua_toboolean(L, 6),
    .id = (uint32_t)id,
    .code = (uint16_t)code,
    .route = pml_slice_of(route, nroute),
  };
  pml_writer w = {0};
  int rc = pml_message_write_head(&w, &m);
  if (rc) {
    pml_writer_drop(&w);
    return pml_lua_fail(L, rc, "route maxlength is overflow");
  }
  pml_writer_put(&w, body, nbody);
  lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
  pml_writer_drop(&w);
  return 1;
}

typedef struct {
  lua_State *L;
  int n;
} packages;

static int one_package(uint8_t type, pml_slice body, void *ud) {
  packages *p = ud;
  lua_createtable(p->L, 0, 2);
  lua_pushinteger(p->L, type);
  lua_setfield(p->L, -2, "type");
  lua_pushlstring(p->L, (const char *)body.p, body.n);
  lua_setfield(p->L, -2, "body");
  lua_rawseti(p->L, -2, ++p->n);
  return 0;
}

/* The bytes of whole packages at the start of s. */
static size_t whole(const char *s, size_t n) {
  size_t at = 0;
  while (n - at >= PML_PKG_HEAD) {
    const uint8_t *h = (const uint8_t *)s + at;
    size_t len = PML_PKG_HEAD + ((size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3]);
    if (n - at < len) break;
    at += len;
  }
  return at;
}

/* core.packages(bytes, limit) -> {{type=, body=}, …}, rest | nil, message, NAME */
static int l_packages(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  lua_Number lim = luaL_optnumber(L, 2, PML_PKG_MAX);
  luaL_argcheck(L, lim >= 0 && lim <= PML_PKG_MAX, 2, "a number of bytes");
  uint32_t limit = (uint32_t)lim;
  lua_settop(L, 2);
  lua_newtable(L);
  pml_package_parser parser = {0};
  packages p = {L, 0};
  int rc = pml_package_feed(&parser, (const uint8_t *)s, n, &limit, one_package, &p);
  pml_package_fini(&parser);
  if (rc)
    return pml_lua_fail(
      L, rc, rc == PML_ETOOBIG ? "a package is above the limit" : "these bytes are no packages");
  size_t used = whole(s, n);
  lua_pushlstring(L, s + used, n - used);
  return 2;
}

/* core.write_package(type, body) -> bytes; raises above 16 MiB */
static int l_write_package(lua_State *L) {
  size_t n;
  int type = (int)luaL_checkinteger(L, 1);
  const char *body = luaL_optlstring(L, 2, "", &n);
  luaL_argcheck(L, type >= 0 && type <= 255, 1, "a package type");
  luaL_argcheck(L, n <= PML_PKG_MAX, 2, "a package body is at most 16777215 bytes");
  uint8_t head[PML_PKG_HEAD];
  pml_package_write_head(head, (uint8_t)type, n);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addlstring(&b, (const char *)head, sizeof head);
  luaL_addlstring(&b, body, n);
  luaL_pushresult(&b);
  return 1;
}

static const luaL_Reg functions[] = {
  {"crc32", l_crc32},       {"read_message", l_read_message},   {"write_message", l_write_message},
  {"packages", l_packages}, {"write_package", l_write_package}, {NULL, NULL},
};

void pml_open_codec(lua_State *L) { luaL_setfuncs(L, functions, 0); }
