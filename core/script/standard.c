#include "script/standard.h"

#include "base/buf.h"

#include <lauxlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_MAX ((size_t)1 << 20) /* bytes for standard output that wait */
#define END_MS 2000

static ssize_t put(void *cookie, const char *p, size_t n) {
  pml_output_put(cookie, pml_buf_from(p, n));
  return (ssize_t)n;
}

static FILE *open_through(pml_output *o) {
  FILE *f = fopencookie(o, "w", (cookie_io_functions_t){.write = put});
  if (f) setvbuf(f, NULL, _IOLBF, BUFSIZ);
  return f;
}

static int same_file(void) {
  struct stat a, b;
  return fstat(STDOUT_FILENO, &a) == 0 && fstat(STDERR_FILENO, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/* A state's file object is a pointer to its FILE, as lauxlib has it. */
static void exchange(lua_State *L, const char *name, FILE *from, FILE *to) {
  lua_getglobal(L, "io");
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, name);
    FILE **f = lua_touserdata(L, -1);
    if (f && *f == from) *f = to;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void pml_standard_begin(lua_State *L, pml_standard *s, size_t queue, int json) {
  *s = (pml_standard){.was = {stdout, stderr}};
  s->err = pml_log_output(STDERR_FILENO, queue, json);
  if (!s->err) return;
  pml_output_options o = {.fd = STDOUT_FILENO, .limit = OUT_MAX};
  s->out = same_file() ? s->err : pml_output_new(&o);
  s->now[0] = s->out ? open_through(s->out) : NULL;
  s->now[1] = open_through(s->err);
  fflush(stdout);
  if (s->now[0]) {
    exchange(L, "stdout", stdout, s->now[0]);
    stdout = s->now[0];
  }
  if (s->now[1]) {
    exchange(L, "stderr", stderr, s->now[1]);
    stderr = s->now[1];
  }
}

void pml_standard_end(lua_State *L, pml_standard *s) {
  stdout = s->was[0];
  stderr = s->was[1];
  exchange(L, "stdout", s->now[0], stdout);
  exchange(L, "stderr", s->now[1], stderr);
  for (int i = 0; i < 2; i++)
    if (s->now[i]) fclose(s->now[i]);
  if (s->out != s->err) pml_output_free(s->out, END_MS);
  pml_output_free(s->err, END_MS);
}
