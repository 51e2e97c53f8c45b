#include "bind/l_system.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "script/ctext.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* core.exe() -> the path of the running program | nil */
static int l_exe(lua_State *L) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return 0;
  lua_pushlstring(L, path, (size_t)n);
  return 1;
}

/* core.pid() -> this process's id */
static int l_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* core.user() -> the number of the user that runs this process */
static int l_user(lua_State *L) {
  lua_pushnumber(L, geteuid());
  return 1;
}

void pml_lua_hostname(lua_State *L) {
  char name[256];
  if (gethostname(name, sizeof name) != 0) name[0] = '\0';
  name[sizeof name - 1] = '\0';
  lua_pushstring(L, name);
}

/* core.hostname() -> the name of this machine, for people */
static int l_hostname(lua_State *L) {
  pml_lua_hostname(L);
  return 1;
}

/* core.now() -> milliseconds of the monotonic clock, whose zero means nothing */
static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_clock_ms());
  return 1;
}

/* core.time() -> seconds since 1970, with their fraction. The operator may set this clock, so it
 * may go back. */
static int l_time(lua_State *L) {
  lua_pushnumber(L, (lua_Number)pml_clock_wall_ms() / 1000);
  return 1;
}

/* core.stamp(path) -> a text that is another one when the file was changed or replaced | nil: the
 * path names nothing */
static int l_stamp(lua_State *L) {
  struct stat st;
  if (stat(pml_lua_ctext(L, 1, "path"), &st) != 0) return 0;
  lua_pushfstring(L, "%f %d %f %f", (lua_Number)st.st_mtim.tv_sec, (int)st.st_mtim.tv_nsec,
                  (lua_Number)st.st_size, (lua_Number)st.st_ino);
  return 1;
}

/* core.kind(path) -> "file", "folder" or "other", and a text that is equal for two paths when they
 * name the same file or folder | nil: the path names nothing */
static int l_kind(lua_State *L) {
  struct stat st;
  if (stat(pml_lua_ctext(L, 1, "path"), &st) != 0) return 0;
  lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "folder" : "other");
  lua_pushfstring(L, "%f:%f", (lua_Number)st.st_dev, (lua_Number)st.st_ino);
  return 2;
}

/* The name, as Lua gets it, of an errno: of an open or a read that failed, or of those that
 * open_file and read_whole set. */
static const char *code_of(int number) {
  switch (number) {
  case ENOENT: return "NOENT";
  case ENOTDIR: return "NOTDIR";
  case EISDIR: return "ISDIR";
  case EMFILE: return "MFILE";
  case ENFILE: return "NFILE";
  case EACCES: return "ACCES";
  case EFBIG: return "FBIG";
  case EINVAL: return "INVAL";
  default: return "IO";
  }
}

/* Opens a regular file of at most `most` bytes. Returns the descriptor, or -1; errno is then
 * EISDIR, EFBIG, EINVAL for a pipe or a device (this function does not wait until another process
 * opens its other end), or what open has set. */
static int open_file(const char *path, lua_Number most) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  int wrong = 0;
  if (fstat(fd, &st) != 0) wrong = errno;
  else if (S_ISDIR(st.st_mode)) wrong = EISDIR;
  else if (!S_ISREG(st.st_mode)) wrong = EINVAL;
  else if ((lua_Number)st.st_size > most) wrong = EFBIG;
  if (!wrong) return fd;
  close(fd);
  errno = wrong;
  return -1;
}

/* Appends the file's bytes, up to its end, to out. Returns 0 or an errno; EFBIG when the file has
 * more than `most` bytes, since it may grow while it is read. */
static int read_whole(int fd, pml_writer *out, lua_Number most) {
  enum { PIECE = 16384 };
  for (;;) {
    uint8_t *at = pml_writer_more(out, PIECE);
    ssize_t n = read(fd, at, PIECE);
    int wrong = n < 0 ? errno : 0;
    pml_writer_cut(out, out->len - PIECE + (n > 0 ? (size_t)n : 0));
    if (wrong == EINTR) continue;
    if (wrong || n == 0) return wrong;
    if ((lua_Number)out->len > most) return EFBIG;
  }
}

/* core.read_file(path, most) -> text | nil, message, code. Reads a regular file of at most so many
 * bytes. code: "NOENT", "NOTDIR", "ISDIR", "INVAL" (the path names a pipe or a device), "FBIG" (the
 * file is larger), "MFILE", "NFILE", "ACCES" or "IO" (every other error) */
static int l_read_file(lua_State *L) {
  const char *path = pml_lua_ctext(L, 1, "path");
  lua_Number most = luaL_checknumber(L, 2);
  pml_writer out = {0};
  int fd = open_file(path, most);
  int wrong = fd < 0 ? errno : read_whole(fd, &out, most);
  if (fd >= 0) close(fd);
  if (!wrong) lua_pushlstring(L, out.len ? (const char *)pml_writer_at(&out, 0) : "", out.len);
  pml_writer_drop(&out);
  if (!wrong) return 1;
  lua_pushnil(L);
  if (wrong == EFBIG) lua_pushfstring(L, "%s: a file of more than %f bytes", path, most);
  else
    lua_pushfstring(L, "%s: %s", path,
                    wrong == EINVAL ? "it is a pipe or a device, not a file" : strerror(wrong));
  lua_pushstring(L, code_of(wrong));
  return 3;
}

/* core.pause(ms): the thread sleeps for so long; nothing else runs on it meanwhile */
static int l_pause(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&t, NULL);
  return 0;
}

/* core.execute(command) -> the exit status of the shell that has run the command; 128 + n when
 * signal n has ended the shell. The thread waits for it. */
static int l_execute(lua_State *L) {
  int status = system(pml_lua_ctext(L, 1, "command"));
  if (status == -1) return luaL_error(L, "cannot run a shell: %s", strerror(errno));
  lua_pushinteger(L, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  return 1;
}

/* core.exec{path, argument, …}: that program takes the place of this one in the process. -> nil,
 * message when the system does not start it; otherwise the call does not return. */
static int l_exec(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_objlen(L, 1);
  luaL_argcheck(L, n >= 1, 1, "a path and its arguments");
  const char **argv = lua_newuserdata(L, ((size_t)n + 1) * sizeof *argv);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    argv[i] = pml_lua_ctext_field(L, -1, "an argument of exec"); /* the table keeps it alive */
    lua_pop(L, 1);
  }
  argv[n] = NULL;
  execv(argv[0], (char *const *)(uintptr_t)argv);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", argv[0], strerror(errno));
  return 2;
}

/* core.make_folder(path) -> whether the folder exists now. Makes the folder, and every folder above
 * it that does not exist. */
static int l_make_folder(lua_State *L) {
  char *path = pml_strdup(pml_lua_ctext(L, 1, "path"));
  struct stat st;
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = '\0';
    mkdir(path, 0777);
    *p = '/';
  }
  mkdir(path, 0777);
  int there = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  pml_free(path);
  lua_pushboolean(L, there);
  return 1;
}

static const luaL_Reg functions[] = {
  {"exe", l_exe},
  {"pid", l_pid},
  {"hostname", l_hostname},
  {"user", l_user},
  {"now", l_now},
  {"stamp", l_stamp},
  {"time", l_time},
  {"kind", l_kind},
  {"read_file", l_read_file},
  {"pause", l_pause},
  {"execute", l_execute},
  {"exec", l_exec},
  {"make_folder", l_make_folder},
  {NULL, NULL},
};

void pml_open_system(lua_State *L) { luaL_setfuncs(L, functions, 0); }
