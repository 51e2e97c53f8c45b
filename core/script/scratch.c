#include "script/scratch.h"

#include "base/mem.h"
#include "script/call.h"
#include "script/vm.h"

#include <lauxlib.h>
#include <luajit.h>
#include <stdio.h>
#include <time.h>

#define LOOK 10000 /* instructions from one look at the clock to the next */
#define KEY "pomelua.scratch"

typedef struct {
  uint32_t ms, mib;
  uint64_t end_us; /* of this thread's processor time */
  int over;
  char text[512]; /* what was over, with the line where that was seen first */
} limits;

static uint64_t cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void describe(lua_State *L, lua_Debug *ar, limits *l, int late) {
  size_t n = 0;
  if (lua_getinfo(L, "Sl", ar) && ar->currentline > 0)
    n = (size_t)snprintf(l->text, sizeof l->text, "%s:%d: ", ar->short_src, ar->currentline);
  if (late) snprintf(l->text + n, sizeof l->text - n, "stopped: over its budget of %u ms", l->ms);
  else
    snprintf(l->text + n, sizeof l->text - n, "stopped: it holds more than %u MiB of memory",
             l->mib);
}

/* Once over a limit it raises at every instruction, so that no pcall keeps the error. The
 * interpreter calls it in every coroutine. */
static void on_count(lua_State *L, lua_Debug *ar) {
  lua_getfield(L, LUA_REGISTRYINDEX, KEY);
  limits *l = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!l->over) {
    int late = l->ms && cpu_us() > l->end_us;
    if (!late && !(l->mib && lua_gc(L, LUA_GCCOUNT, 0) >= (int)(l->mib * 1024))) return;
    l->over = 1;
    describe(L, ar, l, late);
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
  }
  lua_pushstring(L, l->text);
  lua_error(L);
}

static int fail(char **err, const char *text) {
  *err = pml_strdup(text);
  return -1;
}

static int run(lua_State *L, const char *module, pml_slice text, pml_buf **out, char **err) {
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  if (pml_lua_try(L, 1, 1, err) != 0) return -1;
  lua_pushlstring(L, (const char *)text.p, text.n);
  if (pml_lua_try(L, 1, 1, err) != 0) return -1;
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  if (!s) return fail(err, "the function gave no text");
  *out = pml_buf_from(s, n);
  return 0;
}

int pml_scratch_run(const pml_scratch_options *o, const char *module, pml_slice text, pml_buf **out,
                    char **err) {
  limits l = {.ms = o->ms, .mib = o->mib};
  lua_State *L = pml_vm_new(o->path, o->core);
  if (!L) return fail(err, "out of memory");
  pml_lua_call_open(L);
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* compiled code calls no hook */
  lua_pushlightuserdata(L, &l);
  lua_setfield(L, LUA_REGISTRYINDEX, KEY);
  l.end_us = cpu_us() + (uint64_t)l.ms * 1000;
  lua_sethook(L, on_count, LUA_MASKCOUNT, LOOK);
  int rc = run(L, module, text, out, err);
  if (rc && l.over) { /* the line where it was stopped last is a caller's */
    pml_free(*err);
    *err = pml_strdup(l.text);
  }
  lua_close(L);
  return rc;
}
