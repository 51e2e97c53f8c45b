#include "script/standard.h"
#include "test/test.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <unistd.h>

/* What is written between begin and end, by C and by a state of Lua from before, is there in
 * whole lines and in order; afterwards everything is as it was. */
TEST(standard_files_go_through_the_writers) {
  int out[2], err[2];
  char text[200] = "";
  int kept[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
  FILE *was = stdout;
  pml_standard s;
  CHECK_EQ(pipe(out), 0);
  CHECK_EQ(pipe(err), 0);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  dup2(out[1], STDOUT_FILENO);
  dup2(err[1], STDERR_FILENO);
  pml_standard_begin(L, &s, PML_LOG_QUEUE, 0);
  CHECK(s.err && s.out && s.err != s.out);
  printf("from %s\n", "C");
  CHECK_EQ(luaL_dostring(L, "io.write('from ', 'Lua\\n') io.stdout:write('again\\n')"), 0);
  CHECK_EQ(luaL_dostring(L, "io.stderr:write('an error\\n')"), 0);
  pml_standard_end(L, &s);
  CHECK(stdout == was);
  dup2(kept[0], STDOUT_FILENO);
  dup2(kept[1], STDERR_FILENO);
  CHECK(read(out[0], text, sizeof text - 1) > 0);
  CHECK(strcmp(text, "from C\nfrom Lua\nagain\n") == 0);
  memset(text, 0, sizeof text);
  CHECK(read(err[0], text, sizeof text - 1) > 0);
  CHECK(strcmp(text, "an error\n") == 0);
  CHECK_EQ(luaL_dostring(L, "io.stdout:flush()"), 0);
  lua_close(L);
}

TEST(standard_files_that_are_one_have_one_writer) {
  int ends[2];
  char text[200] = "";
  int kept[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
  pml_standard s;
  CHECK_EQ(pipe(ends), 0);
  lua_State *L = luaL_newstate();
  dup2(ends[1], STDOUT_FILENO);
  dup2(ends[1], STDERR_FILENO);
  pml_standard_begin(L, &s, PML_LOG_QUEUE, 0);
  CHECK(s.err && s.err == s.out);
  for (int i = 0; i < 3; i++) {
    printf("out %d\n", i);
    fprintf(stderr, "err %d\n", i);
  }
  pml_standard_end(L, &s);
  dup2(kept[0], STDOUT_FILENO);
  dup2(kept[1], STDERR_FILENO);
  CHECK(read(ends[0], text, sizeof text - 1) > 0);
  CHECK(strcmp(text, "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n") == 0);
  lua_close(L);
}
