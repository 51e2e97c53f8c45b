#include "script/json.h"

#include "base/err.h"
#include "base/json_number.h"
#include "base/mem.h"
#include "script/call.h"
#include "script/json_string.h"
#include "wire/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STACK_SLOTS (PML_JSON_DEPTH * 3 + 24) /* a level: key, value, what toJSON gave */
#define CLASSES 16                            /* how far up an __index goes for toJSON */

/* What the functions below return besides 0 and an error's code; nothing is written then. */
enum {
  AGAIN = 1, /* a table further up has a toJSON, which comes first */
  ABSENT = 2 /* its toJSON gave nothing, and it is a member of an object: the member is left out */
};

/* Where we are: the way back to the root, for messages and for toJSON. */
typedef struct step {
  const struct step *up;
  int table;       /* its place on the stack; 0: it came out of a toJSON, and is asked for none */
  int member;      /* of an object, not an array */
  const char *key; /* NULL: number */
  size_t len;
  double number;
} step;

typedef struct {
  lua_State *L;
  pml_writer *w;
  const char *root;
  int argument; /* 0, or the number behind root */
  char *err;
  size_t nerr;
  const void *array_mt, *empty_mt; /* NULL: not looked up yet */
  int again;                       /* with AGAIN: the table on the stack that has the toJSON */
} job;

static int value(job *x, int depth, const step *at, int asked);

/* ---- messages ---- */

typedef struct {
  char *p;
  size_t n, len;
} text;

static void say(text *t, const char *s, size_t n) {
  if (n > t->n - t->len) n = t->n - t->len;
  memcpy(t->p + t->len, s, n);
  t->len += n;
}

static int is_word(const char *s, size_t n) {
  if (n == 0 || n > 64 || (s[0] >= '0' && s[0] <= '9')) return 0;
  for (size_t i = 0; i < n; i++) {
    char c = s[i];
    if (c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')) return 0;
  }
  return 1;
}

static void say_key(text *t, const char *s, size_t n) {
  if (is_word(s, n)) {
    say(t, ".", 1);
    say(t, s, n);
    return;
  }
  int cut = n > 64;
  int plain = pml_utf8_valid((const uint8_t *)s, n); /* else its bytes stay out of logs */
  if (cut) n = 64;
  while (cut && plain && n && (s[n] & 0xc0) == 0x80) n--;
  say(t, "[\"", 2);
  for (size_t i = 0; i < n; i++) {
    uint8_t c = (uint8_t)s[i];
    if (c == '"' || c == '\\') say(t, "\\", 1);
    say(t, c < 0x20 || c == 0x7f || (c > 0x7f && !plain) ? "?" : &s[i], 1);
  }
  say(t, cut ? "...\"]" : "\"]", cut ? 5 : 2);
}

static void say_path(text *t, const step *at) {
  if (!at) return;
  say_path(t, at->up);
  if (at->key) {
    say_key(t, at->key, at->len);
    return;
  }
  char number[PML_JSON_NUMBER_MAX + 2];
  int n = pml_json_number(at->number, number + 1);
  number[0] = '[';
  number[n + 1] = ']';
  say(t, number, (size_t)n + 2);
}

/* Whether the table at t has a function toJSON of its own, which is then pushed. */
static int own_to_json(lua_State *L, int t) {
  lua_pushliteral(L, "toJSON");
  lua_rawget(L, t);
  if (lua_isfunction(L, -1)) return 1;
  lua_pop(L, 1);
  return 0;
}

/* AGAIN when a table on the way to the root has a toJSON of its own: the one nearest to the
 * root, x->again, says what is written instead of it and all that is in it. A table
 * with such a function cannot be written in another way, so the writer looks for it only when
 * something fails. */
static int converted_above(job *x, const step *at) {
  x->again = 0;
  for (; at; at = at->up) {
    if (at->table && own_to_json(x->L, at->table)) {
      lua_pop(x->L, 1);
      x->again = at->table;
    }
  }
  return x->again ? AGAIN : 0;
}

/* A long path loses its end, never the reason. */
static int complain(job *x, const step *at, const char *article, const char *reason) {
  size_t n = strlen(article) + strlen(reason) + 3;
  if (n > x->nerr / 2) n = x->nerr / 2;
  text t = {x->err, x->nerr > n ? x->nerr - n : 0, 0};
  say(&t, x->root, strlen(x->root));
  if (x->argument) {
    char number[PML_JSON_NUMBER_MAX + 1] = " ";
    say(&t, number, 1 + (size_t)pml_json_number(x->argument, number + 1));
  }
  say_path(&t, at);
  if (t.len == t.n) { /* not in the middle of a character */
    while (t.len && (t.p[t.len - 1] & 0xc0) == 0x80) t.len--;
    if (t.len && (t.p[t.len - 1] & 0x80)) t.len--;
  }
  snprintf(x->err + t.len, x->nerr - t.len, ": %s%s", article, reason);
  return PML_EINVAL;
}

static int fail(job *x, const step *at, const char *article, const char *reason) {
  return converted_above(x, at) ? AGAIN : complain(x, at, article, reason);
}

/* For a key that has no text: the message names the table, `in`. */
static int fail_key(job *x, const step *in, const char *article, const char *reason) {
  return converted_above(x, in) ? AGAIN : complain(x, in->up, article, reason);
}

static int number(job *x, double d, const step *at) {
  pml_writer_grow(x->w, PML_JSON_NUMBER_MAX);
  char out[PML_JSON_NUMBER_MAX];
  int n = pml_json_number(d, out);
  if (n == 0) return fail(x, at, "", isnan(d) ? "NaN" : d > 0 ? "inf" : "-inf");
  pml_writer_put(x->w, out, (size_t)n);
  return 0;
}

/* ---- tables ---- */

/* Whether s is the text of a number that is a key of the table at t as well. */
static int key_twice(lua_State *L, int t, const char *s, size_t n) {
  if (n == 0 || n >= PML_JSON_NUMBER_MAX || !((s[0] >= '0' && s[0] <= '9') || s[0] == '-'))
    return 0;
  char own[PML_JSON_NUMBER_MAX];
  double d = strtod(s, NULL);
  if (!isfinite(d) || (size_t)pml_json_number(d, own) != n || memcmp(own, s, n) != 0) return 0;
  lua_pushnumber(L, d);
  lua_rawget(L, t);
  int there = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return there;
}

/* The key below the top value of the stack, as a member name; the step gets it. */
static int name(job *x, int t, step *s) {
  lua_State *L = x->L;
  int type = lua_type(L, -2);
  if (type == LUA_TSTRING) { /* asked first: lua_tolstring would turn a number into one */
    s->key = lua_tolstring(L, -2, &s->len);
    if (key_twice(L, t, s->key, s->len)) return fail(x, s, "", "the key is there as a number too");
    const char *wrong = pml_json_string(x->w, s->key, s->len);
    return wrong ? fail(x, s, "the key is ", wrong) : 0;
  }
  if (type != LUA_TNUMBER) return fail_key(x, s, "a key that is a ", lua_typename(L, type));
  s->key = NULL;
  s->number = lua_tonumber(L, -2);
  char out[PML_JSON_NUMBER_MAX];
  int n = pml_json_number(s->number, out);
  if (n == 0) return fail_key(x, s, "", "a key that is infinite");
  pml_writer_byte(x->w, '"');
  pml_writer_put(x->w, out, (size_t)n);
  pml_writer_byte(x->w, '"');
  return 0;
}

/* The stack holds the first key and its value. */
static int object(job *x, int t, int depth, const step *at, int asked) {
  lua_State *L = x->L;
  step here = {.up = at, .table = asked ? 0 : t, .member = 1};
  int members = 0;
  do {
    size_t start = x->w->len;
    pml_writer_byte(x->w, members ? ',' : '{');
    int err = name(x, t, &here);
    if (err) return err;
    pml_writer_byte(x->w, ':');
    err = value(x, depth, &here, 0);
    if (err == ABSENT) pml_writer_cut(x->w, start);
    else if (err) return err;
    else members = 1;
    lua_pop(L, 1);
  } while (lua_next(L, t));
  if (!members) pml_writer_byte(x->w, '{');
  pml_writer_byte(x->w, '}');
  return 0;
}

static int array(job *x, int t, size_t n, int depth, const step *at) {
  lua_State *L = x->L;
  step here = {.up = at}; /* a sequence has no field toJSON */
  pml_writer_byte(x->w, '[');
  for (size_t i = 1; i <= n; i++) {
    if (i > 1) pml_writer_byte(x->w, ',');
    here.number = (double)i;
    lua_rawgeti(L, t, (int)i);
    int err = value(x, depth, &here, 0);
    if (err) return err;
    lua_pop(L, 1);
  }
  pml_writer_byte(x->w, ']');
  return 0;
}

/* n when the keys are exactly 1..n, else 0. The stack holds the first key and its
 * value, and does so again afterwards when the answer is 0. */
static size_t sequence(lua_State *L, int t) {
  size_t count = 0;
  double max = 0;
  do {
    double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (!(k >= 1 && k <= INT32_MAX) || k != (double)(int)k) {
      lua_settop(L, t);
      lua_pushnil(L);
      lua_next(L, t);
      return 0;
    }
    if (k > max) max = k;
    count++;
    lua_pop(L, 1);
  } while (lua_next(L, t));
  if (max == (double)count) return count;
  lua_pushnil(L);
  lua_next(L, t);
  return 0;
}

/* The largest key that is a place in an array. The length operator would do for
 * arrays without holes, but may stop at any hole. */
static size_t largest(lua_State *L, int t) {
  double max = 0;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
    double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (k > max && k <= INT32_MAX && k == (double)(int)k) max = k;
  }
  return (size_t)max;
}

/* What a table's metatable says of it. */
enum { PLAIN, ARRAY, EMPTY, CLASS };

static const void *registered(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, LUA_REGISTRYINDEX);
  const void *p = lua_topointer(L, -1);
  lua_pop(L, 1);
  return p;
}

static int mark_of(job *x, int t) {
  lua_State *L = x->L;
  if (!lua_getmetatable(L, t)) return PLAIN;
  const void *mt = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (!x->array_mt) {
    x->array_mt = registered(L, PML_JSON_ARRAY);
    x->empty_mt = registered(L, PML_JSON_EMPTY_ARRAY);
  }
  return mt == x->array_mt ? ARRAY : mt == x->empty_mt ? EMPTY : CLASS;
}

/* Whether the object at t has a method toJSON, which is then pushed: its own, or that of a
 * table that __index of its metatable is, and so on, all read raw. */
static int method(lua_State *L, int t) {
  if (own_to_json(L, t)) return 1;
  int top = lua_gettop(L), at = t;
  for (int i = 0; i < CLASSES && lua_getmetatable(L, at); i++) {
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_istable(L, -1)) break;
    if (i) lua_remove(L, -2);
    at = lua_gettop(L);
    if (own_to_json(L, at)) {
      lua_remove(L, at);
      return 1;
    }
  }
  lua_settop(L, top);
  return 0;
}

/* Writes the value that the function on top, a toJSON, returns for the table at t. An error of the
 * function is an error of the writer. The function is called where it cannot wait. */
static int converted(job *x, int t, int depth, const step *at) {
  lua_State *L = x->L;
  char *message = NULL;
  lua_pushliteral(L, PML_JSON_CALLER);
  lua_rawget(L, LUA_REGISTRYINDEX);
  int caller = lua_isfunction(L, -1);
  if (caller) lua_insert(L, -2);
  else lua_pop(L, 1);
  lua_pushvalue(L, t);
  if (at && at->key) lua_pushlstring(L, at->key, at->len);
  else if (at) lua_pushnumber(L, at->number);
  else lua_pushnil(L);
  int rc = pml_lua_try(L, caller ? 3 : 2, 1, &message);
  if (rc == 0) rc = lua_isnil(L, -1) && at && at->member ? ABSENT : value(x, depth, at, 1);
  else if (!(rc = converted_above(x, at))) rc = complain(x, at, "toJSON: ", message);
  if (rc == 0 || rc == ABSENT) lua_settop(L, t);
  pml_free(message);
  return rc;
}

static int contents(job *x, int t, int mark, int depth, const step *at, int asked) {
  lua_State *L = x->L;
  if (mark == ARRAY) return array(x, t, largest(L, t), depth, at);
  lua_pushnil(L);
  if (!lua_next(L, t)) {
    pml_writer_put(x->w, mark == EMPTY ? "[]" : "{}", 2);
    return 0;
  }
  size_t n = lua_type(L, -2) == LUA_TNUMBER ? sequence(L, t) : 0;
  return n ? array(x, t, n, depth, at) : object(x, t, depth, at, asked);
}

static int table(job *x, int depth, const step *at, int asked) {
  lua_State *L = x->L;
  int t = lua_gettop(L);
  size_t start = x->w->len;
  int mark = mark_of(x, t);
  if (mark == CLASS && !asked && method(L, t))
    return converted_above(x, at) ? AGAIN : converted(x, t, depth, at);
  if (depth == PML_JSON_DEPTH) return fail(x, at, "", "deeper than 32");
  int err = contents(x, t, mark, depth + 1, at, asked);
  if (err != AGAIN || x->again != t) return err;
  pml_writer_cut(x->w, start);
  lua_settop(L, t);
  return own_to_json(L, t) ? converted(x, t, depth, at) : PML_EINVAL;
}

/* Writes the top value of the stack and leaves it there; on failure the caller
 * of all this restores the stack. asked: it came out of a toJSON. */
static int value(job *x, int depth, const step *at, int asked) {
  lua_State *L = x->L;
  if (x->w->len > PML_JSON_MAX) return fail(x, at, "", "too large");
  int type = lua_type(L, -1);
  switch (type) {
  case LUA_TSTRING: {
    size_t n;
    const char *s = lua_tolstring(L, -1, &n);
    const char *wrong = pml_json_string(x->w, s, n);
    return wrong ? fail(x, at, "", wrong) : 0;
  }
  case LUA_TNUMBER: return number(x, lua_tonumber(L, -1), at);
  case LUA_TTABLE: return table(x, depth, at, asked);
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, -1)) pml_writer_put(x->w, "true", 4);
    else pml_writer_put(x->w, "false", 5);
    return 0;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, -1)) return fail(x, at, "a ", "userdata");
    pml_writer_put(x->w, "null", 4);
    return 0;
  case LUA_TNIL: pml_writer_put(x->w, "null", 4); return 0;
  default: return fail(x, at, "a ", lua_typename(L, type));
  }
}

int pml_json_write(lua_State *L, int idx, pml_writer *w, const char *root, char *err, size_t nerr) {
  job x = {.L = L, .w = w, .root = root, .err = err, .nerr = nerr};
  size_t start = w->len;
  int top = lua_gettop(L);
  if (idx < 0 && idx > LUA_REGISTRYINDEX) idx = top + idx + 1;
  if (!lua_checkstack(L, STACK_SLOTS)) return fail(&x, NULL, "", "no room on the stack");
  lua_pushvalue(L, idx);
  int e = value(&x, 0, NULL, 0);
  lua_settop(L, top);
  if (e) pml_writer_cut(w, start);
  return e;
}

int pml_json_args(lua_State *L, int first, int n, pml_writer *w, char *err, size_t nerr) {
  job x = {.L = L, .w = w, .root = "arguments", .err = err, .nerr = nerr};
  size_t start = w->len;
  int top = lua_gettop(L), e = 0;
  if (!lua_checkstack(L, STACK_SLOTS)) return fail(&x, NULL, "", "no room on the stack");
  x.root = "argument";
  pml_writer_byte(w, '[');
  for (int i = 0; i < n && !e; i++) {
    x.argument = i + 1;
    if (i) pml_writer_byte(w, ',');
    lua_pushvalue(L, first + i);
    e = value(&x, 1, NULL, 0); /* for the reader, the array around them is a level too */
    lua_settop(L, top);
  }
  if (e) pml_writer_cut(w, start);
  else pml_writer_byte(w, ']');
  return e;
}
