/* main: argv to a Lua state to pomelua.cli, whose result is the exit status. The servers
 * start the program as `pomelua --check NAME`, too, to have a text parsed. */
#include "base/mem.h"
#include "bind/open.h"
#include "script/call.h"
#include "script/syntax_check.h"
#include "script/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A program may be started without the descriptors 0, 1 or 2. The next files and sockets would
 * get those numbers, and a line of the log would be written into a client's connection. */
static void open_standard_files(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0) _exit(1);
}

int main(int argc, char **argv) {
  open_standard_files();
  if (argc == 3 && strcmp(argv[1], "--check") == 0) return pml_syntax_check_main(argv[2]);
  char exe[4096], *err = NULL;
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n < 0) {
    perror("pomelua: /proc/self/exe");
    return 1;
  }
  exe[n] = '\0';
  if (strpbrk(exe, ";?")) { /* Lua's package.path has no way to quote them */
    fprintf(stderr, "pomelua: %s: a path with ; or ? is none that Lua can load from; move it\n",
            exe);
    return 1;
  }
  char *path = pml_vm_path(exe);
  if (!path) {
    fprintf(stderr,
            "pomelua: its Lua files are not beside %s (looked for ../lua, "
            "../share/pomelua/lua and ../share/lua/5.1)\n",
            exe);
    return 1;
  }
  lua_State *L = pml_vm_new(NULL, luaopen_pomelua_core);
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s;", path);
  lua_getfield(L, -2, "path");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
  pml_free(path);
  pml_lua_call_open(L);

  int status = 1;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "pomelua.cli");
  if (pml_lua_try(L, 1, 1, &err) == 0) {
    lua_getfield(L, -1, "main");
    lua_createtable(L, argc, 0);
    for (int i = 1; i < argc; i++) {
      lua_pushstring(L, argv[i]);
      lua_rawseti(L, -2, i);
    }
    if (pml_lua_try(L, 1, 1, &err) == 0) status = (int)lua_tointeger(L, -1);
  }
  if (err) fprintf(stderr, "pomelua: %s\n", err);
  pml_free(err);
  lua_close(L);
  return status;
}
