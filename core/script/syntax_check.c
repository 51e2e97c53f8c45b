#include "script/syntax_check.h"

#include "base/buf.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

int pml_syntax_check_main(const char *name) {
  pml_writer w = {0};
  char part[65536];
  size_t n;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none); /* a crash of the parser is expected: no core file */
  signal(SIGSEGV, SIG_DFL); /* so that the parent sees the signal, and no handler writes a line */
  while ((n = fread(part, 1, sizeof part, stdin)) > 0) pml_writer_put(&w, part, n);
  pml_buf *text = pml_writer_finish(&w);
  pml_slice s = pml_buf_slice(text);
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  lua_pushfstring(L, "@%s", name);
  int bad = luaL_loadbufferx(L, s.n ? (const char *)s.p : "", s.n, lua_tostring(L, -1), "t");
  if (bad) fprintf(stderr, "%s", lua_tostring(L, -1));
  lua_close(L);
  pml_buf_unref(text);
  return bad ? 1 : 0;
}
