/* Two kinds of input, told apart by the first byte: a Lua value built from the
 * bytes, written and read back by lua-cjson; and text, checked, read by lua-cjson,
 * written and read again. What comes back must be what went in, and the writer must
 * refuse exactly what cannot be written. */
#include "base/err.h"
#include "script/call.h"
#include "script/json.h"
#include "script/json_text.h"
#include "bind/l_json.h"
#include "wire/utf8.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(x) \
  do { \
    if (!(x)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
      abort(); \
    } \
  } while (0)

enum { CLEAN = 1, PARSE = 2, ARRAY_MT = 3, EMPTY_MT = 4 }; /* at the bottom of the stack */

static lua_State *state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  pml_lua_call_open(L);
  lua_newtable(L);
  pml_open_json(L);
  lua_getfield(L, 1, "clean");
  int bad = luaL_dostring(L, "local c = require('cjson').new()\n"
                             "c.decode_invalid_numbers(false)\n"
                             "c.decode_max_depth(32)\n"
                             "return c.decode");
  if (bad) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  MUST(!bad);
  lua_getfield(L, 1, "array_mt");
  lua_getfield(L, 1, "empty_array_mt");
  lua_remove(L, 1);
  return L;
}

typedef struct {
  lua_State *L;
  const uint8_t *p;
  size_t n;
  int wrong; /* what was built cannot be written */
} input;

static uint8_t byte(input *in) {
  if (in->n == 0) return 0;
  in->n--;
  return *in->p++;
}

static void build_string(input *in) {
  size_t n = byte(in) & 31;
  if (n > in->n) n = in->n;
  lua_pushlstring(in->L, (const char *)in->p, n);
  in->p += n;
  in->n -= n;
}

static void build_number(input *in) {
  uint8_t raw[8];
  double d;
  for (int i = 0; i < 8; i++) raw[i] = byte(in);
  memcpy(&d, raw, sizeof d);
  in->wrong |= !isfinite(d);
  lua_pushnumber(in->L, isnan(d) ? (double)NAN : d); /* LuaJIT keeps types in other NaNs */
}

static void build(input *in, int depth);

/* The keys are words, or small numbers and their texts. */
static void build_table(input *in, int depth, int kind) {
  lua_State *L = in->L;
  unsigned numbers = 0, texts = 0;
  lua_newtable(L);
  in->wrong |= depth >= PML_JSON_DEPTH;
  for (int left = byte(in) & 7; left; left--) {
    uint8_t k = byte(in);
    int wrong = in->wrong;
    char digit = (char)('0' + (k & 7));
    unsigned bit = 1u << (k & 7), number = 0, text = 0;
    if (kind == 0 && k & 8) {
      build_string(in);
    } else if (kind == 1 && k & 8) {
      lua_pushlstring(L, &digit, 1);
      text = bit;
    } else {
      lua_pushnumber(L, k & 7);
      number = bit;
    }
    build(in, depth + 1);
    lua_pushvalue(L, -2);
    lua_rawget(L, -4);
    int there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (there) { /* leave the first one, and forget what was wrong with this */
      lua_pop(L, 2);
      in->wrong = wrong;
      continue;
    }
    numbers |= number;
    texts |= text;
    if (kind == 0 && !number) { /* a word may be the text of a number, too */
      size_t n;
      const char *s = lua_tolstring(L, -2, &n);
      if (n == 1 && s[0] >= '0' && s[0] <= '7') texts |= 1u << (s[0] - '0');
    }
    lua_rawset(L, -3);
  }
  in->wrong |= (numbers & texts) != 0;
}

/* An array with the mark, of a length up to 7 and with holes. */
static void build_array(input *in, int depth) {
  lua_State *L = in->L;
  lua_newtable(L);
  in->wrong |= depth >= PML_JSON_DEPTH;
  uint8_t places = byte(in);
  for (int i = 1; i < 8; i++) {
    if (!(places >> i & 1)) continue;
    build(in, depth + 1);
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, ARRAY_MT);
  lua_setmetatable(L, -2);
}

/* What came as [], with a field when the byte says so. */
static void build_empty(input *in, int depth) {
  lua_State *L = in->L;
  lua_newtable(L);
  in->wrong |= depth >= PML_JSON_DEPTH;
  if (byte(in) & 1) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "field");
  }
  lua_pushvalue(L, EMPTY_MT);
  lua_setmetatable(L, -2);
}

static void build(input *in, int depth) {
  lua_State *L = in->L;
  luaL_checkstack(L, 8, NULL);
  uint8_t kind = byte(in);
  switch (depth > PML_JSON_DEPTH + 2 ? kind % 6 : kind % 12) {
  case 0: lua_pushlightuserdata(L, NULL); break;
  case 1: lua_pushboolean(L, kind & 64); break;
  case 2: lua_pushinteger(L, (int8_t)byte(in)); break;
  case 3: build_number(in); break;
  case 4: lua_pushnumber(L, (double)(byte(in) << 16 | byte(in) << 8 | byte(in)) / 1000); break;
  case 5: build_string(in); break;
  case 6: build_array(in, depth); break;
  case 7:
    if (kind < 250) {
      build_table(in, depth, 0);
    } else {
      lua_pushcfunction(L, lua_error);
      in->wrong = 1;
    }
    break;
  case 8: build_table(in, depth, 1); break;
  case 9: build_empty(in, depth); break;
  default: /* depth by one byte */
    lua_newtable(L);
    in->wrong |= depth >= PML_JSON_DEPTH;
    build(in, depth + 1);
    lua_rawseti(L, -2, 1);
  }
}

/* n when the table at the top has the keys 1..n or is marked, else -1. */
static int array_length(lua_State *L) {
  int t = lua_gettop(L), count = 0, max = 0, others = 0;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) >= 1) {
      if (lua_tonumber(L, -2) > max) max = (int)lua_tonumber(L, -2);
      count++;
    } else {
      others++;
    }
  }
  if (lua_getmetatable(L, t)) {
    int array = lua_rawequal(L, -1, ARRAY_MT);
    lua_pop(L, 1);
    if (array || (!count && !others)) return max;
  }
  return count && count == max && !others ? count : -1;
}

static int same(lua_State *L, int a, int b);

/* Replaces the string at the top by what the writer makes of it. */
static void mend(lua_State *L) {
  size_t n;
  const uint8_t *p = (const uint8_t *)lua_tolstring(L, -1, &n);
  if (n == 0) return;
  pml_writer w = {0};
  pml_utf8_mend(&w, p, n);
  lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
  pml_writer_drop(&w);
  lua_replace(L, -2);
}

static int same_tables(lua_State *L, int a, int b) {
  lua_pushvalue(L, a);
  int n = array_length(L), count = 0;
  lua_pop(L, 1);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, a, i);
    lua_rawgeti(L, b, i);
    if (lua_isnil(L, -2)) {
      lua_pushlightuserdata(L, NULL);
      lua_replace(L, -3);
    }
    MUST(same(L, lua_gettop(L) - 1, lua_gettop(L)));
    lua_pop(L, 2);
  }
  if (n < 0) lua_pushnil(L);
  int met = 0; /* keys that may be the same once they are mended */
  while (n < 0 && lua_next(L, a)) {
    lua_pushvalue(L, -2);
    if (lua_type(L, -1) == LUA_TNUMBER) lua_tostring(L, -1); /* of the copy */
    mend(L);
    size_t len;
    const char *key = lua_tolstring(L, -1, &len);
    int odd = memmem(key, len, "\xef\xbf\xbd", 3) != NULL;
    lua_rawget(L, b);
    MUST(!lua_isnil(L, -1));
    if (!odd) MUST(same(L, lua_gettop(L) - 1, lua_gettop(L)));
    lua_pop(L, 2);
    met |= odd;
    count++;
  }
  for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1)) count--;
  if (met) return count >= 0;
  return count == (n < 0 ? 0 : -n);
}

static int same(lua_State *L, int a, int b) {
  luaL_checkstack(L, 8, NULL);
  MUST(lua_type(L, a) == lua_type(L, b));
  if (lua_type(L, a) == LUA_TSTRING) {
    lua_pushvalue(L, a);
    mend(L);
    int equal = lua_rawequal(L, -1, b);
    lua_pop(L, 1);
    return equal;
  }
  return lua_istable(L, a) ? same_tables(L, a, b) : lua_rawequal(L, a, b);
}

/* The value at the top, which lua-cjson read, with empty arrays in the place of their marks. */
static void unmark(lua_State *L) {
  if (!lua_istable(L, -1)) return;
  luaL_checkstack(L, 8, NULL);
  lua_rawgeti(L, -1, 1);
  int marked = lua_type(L, -1) == LUA_TNUMBER && isinf(lua_tonumber(L, -1));
  lua_pop(L, 1);
  if (marked) {
    lua_pushnil(L);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, EMPTY_MT);
    lua_setmetatable(L, -2);
    return;
  }
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) unmark(L);
}

/* Writes the top value, which must be possible, and reads the text: both values are
 * then on the stack, and the same. */
static void round_trip(lua_State *L) {
  pml_writer w = {0};
  char err[128];
  int top = lua_gettop(L);
  MUST(pml_json_write(L, -1, &w, "msg", err, sizeof err) == 0);
  MUST(lua_gettop(L) == top);
  MUST(pml_utf8_valid(pml_writer_at(&w, 0), w.len));
  lua_pushvalue(L, PARSE);
  lua_pushvalue(L, CLEAN);
  lua_pushlstring(L, (const char *)pml_writer_at(&w, 0), w.len);
  pml_writer_drop(&w);
  lua_call(L, 1, 1);
  MUST(lua_isstring(L, -1));
  int bad = lua_pcall(L, 1, 1, 0);
  if (bad) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  MUST(!bad);
  unmark(L);
  MUST(same(L, top, top + 1));
}

static void value(lua_State *L, const uint8_t *d, size_t n) {
  input in = {L, d, n, 0};
  build(&in, 0);
  if (!in.wrong) {
    round_trip(L);
    return;
  }
  pml_writer w = {0};
  char err[128];
  pml_writer_put(&w, "before", 6);
  int top = lua_gettop(L);
  MUST(pml_json_write(L, top, &w, "msg", err, sizeof err) == PML_EINVAL);
  MUST(lua_gettop(L) == top && w.len == 6);
  MUST(strncmp(err, "msg", 3) == 0 && pml_utf8_valid((const uint8_t *)err, strlen(err)));
  pml_writer_drop(&w);
}

static void text(lua_State *L, const uint8_t *d, size_t n) {
  lua_pushvalue(L, PARSE);
  lua_pushvalue(L, CLEAN);
  lua_pushlstring(L, (const char *)d, n);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1) || lua_pcall(L, 1, 1, 0)) return;
  unmark(L);
  round_trip(L);
}

static lua_State *L_all; /* for all inputs */

static void end(void) { lua_close(L_all); } /* else lua-cjson's buffers count as leaks */

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (!L_all) {
    L_all = state();
    atexit(end);
  }
  lua_State *L = L_all;
  int top = lua_gettop(L);
  if (n && d[0] & 1) text(L, d + 1, n - 1);
  else if (n) value(L, d + 1, n - 1);
  lua_settop(L, top);
  return 0;
}
