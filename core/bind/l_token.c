#include "bind/l_token.h"

#include "base/err.h"
#include "base/mem.h"
#include "script/ctext.h"
#include "script/handle.h"
#include "wire/jwt.h"

#define TNAME "pomelua.tokenKeys"
#define KEYS_MAX 16
#define AUDIENCE_MAX 16

typedef struct {
  const void *kind;
  size_t n;
  pml_jwt_key key[KEYS_MAX]; /* kid and key are owned */
} object;

static const char kind;

static object *check(lua_State *L) { return pml_lua_object(L, 1, sizeof(object), &kind, TNAME); }

static pml_slice slice_at(lua_State *L, int idx) {
  size_t n;
  const char *s = luaL_checklstring(L, idx, &n);
  return pml_slice_of(s, n);
}

static int refuse(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

/* Fills out with the texts of the list at idx; raises on what is none. Returns how many. */
static size_t texts_at(lua_State *L, int idx, pml_slice out[AUDIENCE_MAX]) {
  size_t n = lua_isnoneornil(L, idx) ? 0 : lua_objlen(L, idx);
  luaL_argcheck(L, n <= AUDIENCE_MAX, idx, "too many texts");
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, idx, (int)i + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, idx, "a list of texts");
    size_t len;
    const char *s = lua_tolstring(L, -1, &len);
    out[i] = pml_slice_of(s, len);
    lua_pop(L, 1); /* the list keeps it alive */
  }
  return n;
}

/* keys:verify(text, now, leeway, audience | nil, issuer | nil) -> claims as JSON, sub, exp | nil,
 * what is wrong with the token, behind the word "token" of a sentence */
static int l_verify(lua_State *L) {
  object *o = check(L);
  pml_slice audience[AUDIENCE_MAX], text = slice_at(L, 2);
  pml_jwt_rules r = {.keys = o->key, .nkeys = o->n, .audience = audience};
  r.now = luaL_checknumber(L, 3);
  r.leeway = luaL_checknumber(L, 4);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  if (!lua_isnoneornil(L, 6)) r.issuer = slice_at(L, 6);
  r.naudience = texts_at(L, 5, audience);
  pml_jwt t;
  pml_jwt_error e = pml_jwt_verify(text, &r, &t);
  if (e) return refuse(L, pml_jwt_why(e));
  lua_pushlstring(L, (const char *)t.claims->data, t.claims->len);
  lua_pushlstring(L, (const char *)t.sub->data, t.sub->len);
  lua_pushnumber(L, t.exp);
  pml_jwt_drop(&t);
  return 3;
}

/* keys:sign(number of the key, claims as JSON) -> token | nil, message */
static int l_sign(lua_State *L) {
  object *o = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  pml_slice claims = slice_at(L, 3);
  luaL_argcheck(L, i >= 1 && (size_t)i <= o->n, 2, "the number of a key");
  const pml_jwt_key *k = &o->key[i - 1];
  pml_buf *out;
  if (!pml_sign_key_can_sign(k->key)) return refuse(L, "it is a public key, which signs nothing");
  int rc = pml_jwt_sign(k, claims, &out);
  if (rc == PML_ETOOBIG) return refuse(L, "the token would be longer than 4096 bytes");
  if (rc) return refuse(L, "OpenSSL does not sign with this key");
  lua_pushlstring(L, (const char *)out->data, out->len);
  pml_buf_unref(out);
  return 1;
}

/* keys:canSign(number of the key) -> boolean */
static int l_can_sign(lua_State *L) {
  object *o = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && (size_t)i <= o->n, 2, "the number of a key");
  lua_pushboolean(L, pml_sign_key_can_sign(o->key[i - 1].key));
  return 1;
}

/* the keys are freed, secrets are wiped */
static int l_gc(lua_State *L) {
  object *o = check(L);
  while (o->n) {
    pml_jwt_key *k = &o->key[--o->n];
    pml_sign_key_free((pml_sign_key *)(uintptr_t)k->key);
    pml_free((void *)(uintptr_t)k->kid.p);
  }
  return 0;
}

/* Adds the key {alg=, kid=, text=} at the top to o; 0: why says what is wrong. */
static int add(lua_State *L, object *o, char why[PML_SIGN_KEY_WHY]) {
  size_t nkid = 0, ntext;
  lua_getfield(L, -1, "alg");
  lua_getfield(L, -2, "kid");
  lua_getfield(L, -3, "text");
  const char *alg = pml_lua_ctext_field(L, -3, "alg"), *kid = NULL;
  if (!lua_isnil(L, -2)) {
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 1, "a kid is a string");
    kid = lua_tolstring(L, -2, &nkid);
  }
  luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "the text of a key is a string");
  const char *text = lua_tolstring(L, -1, &ntext);
  if (kid && !pml_jwt_kid_valid(pml_slice_of(kid, nkid))) {
    strcpy(why, "kid: must be 1 to 128 printable characters of ASCII, without \" and \\");
    return 0;
  }
  pml_sign_key *key = pml_sign_key_load(alg, pml_slice_of(text, ntext), why);
  if (!key) return 0;
  pml_jwt_key *k = &o->key[o->n++];
  k->key = key;
  if (kid) k->kid = pml_slice_of(pml_strndup(kid, nkid), nkid);
  lua_pop(L, 3);
  return 1;
}

/* core.tokenKeys({{alg=, kid= | nil, text=}, …}) -> keys | nil, message, number of the wrong key */
static int l_token_keys(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"verify", l_verify}, {"sign", l_sign}, {"canSign", l_can_sign}, {NULL, NULL}};
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_objlen(L, 1);
  luaL_argcheck(L, n <= KEYS_MAX, 1, "more than 16 keys");
  object *o = lua_newuserdata(L, sizeof *o);
  memset(o, 0, sizeof *o);
  o->kind = &kind;
  pml_lua_class(L, TNAME, methods, l_gc);
  lua_setmetatable(L, -2);
  for (size_t i = 0; i < n; i++) {
    char why[PML_SIGN_KEY_WHY];
    lua_rawgeti(L, 1, (int)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    if (!add(L, o, why)) {
      refuse(L, why);
      lua_pushnumber(L, (lua_Number)i + 1);
      return 3;
    }
    lua_pop(L, 1);
  }
  return 1;
}

void pml_open_token(lua_State *L) {
  lua_pushcfunction(L, l_token_keys);
  lua_setfield(L, -2, "tokenKeys");
}
