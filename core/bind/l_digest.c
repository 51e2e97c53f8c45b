#include "bind/l_digest.h"

#include "base/crc32.h"
#include "base/digest.h"
#include "script/ctext.h"

#include <lauxlib.h>

#define RANDOM_MAX 65536

static int push_hex(lua_State *L, const uint8_t *p, size_t n) {
  static const char digits[] = "0123456789abcdef";
  char hex[2 * PML_DIGEST_MAX];
  for (size_t i = 0; i < n; i++) {
    hex[2 * i] = digits[p[i] >> 4];
    hex[2 * i + 1] = digits[p[i] & 15];
  }
  lua_pushlstring(L, hex, 2 * n);
  return 1;
}

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

/* core.checksum(bytes) -> the CRC-32 of zip and PNG, from 0 to 2^32 - 1 */
static int l_checksum(lua_State *L) {
  pml_slice s = slice_at(L, 1);
  lua_pushnumber(L, (lua_Number)pml_crc32((const char *)s.p, s.n));
  return 1;
}

/* core.digest(name, bytes) -> lower-case hexadecimal | nil: no such digest */
static int l_digest(lua_State *L) {
  uint8_t out[PML_DIGEST_MAX];
  size_t n;
  const char *name = pml_lua_ctext(L, 1, "name");
  return pml_digest(name, slice_at(L, 2), out, &n) ? 0 : push_hex(L, out, n);
}

/* core.hmac(name, key, bytes) -> lower-case hexadecimal | nil: no such digest */
static int l_hmac(lua_State *L) {
  uint8_t out[PML_DIGEST_MAX];
  size_t n;
  const char *name = pml_lua_ctext(L, 1, "name");
  pml_slice key = slice_at(L, 2), text = slice_at(L, 3);
  return pml_hmac(name, key, text, out, &n) ? 0 : push_hex(L, out, n);
}

/* core.random(n) -> n random bytes, fit for secrets; raises when the system has none */
static int l_random(lua_State *L) {
  lua_Number n = luaL_checknumber(L, 1);
  luaL_argcheck(L, n >= 0 && n <= RANDOM_MAX && n == (int)n, 1, "a whole number from 0 to 65536");
  uint8_t *out = lua_newuserdata(L, (size_t)n + 1); /* Lua's, so that nothing is lost by an error */
  if (pml_random(out, (size_t)n)) return luaL_error(L, "the system gives no random bytes");
  lua_pushlstring(L, (const char *)out, (size_t)n);
  return 1;
}

static const luaL_Reg functions[] = {
  {"checksum", l_checksum}, {"digest", l_digest}, {"hmac", l_hmac},
  {"random", l_random},     {NULL, NULL},
};

void pml_open_digest(lua_State *L) { luaL_setfuncs(L, functions, 0); }
