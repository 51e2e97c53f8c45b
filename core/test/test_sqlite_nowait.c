/* sqlite_nowait: a read of its vfs fails where it would have to wait for the disk, no other does.
 */
#include "store/sqlite_nowait.h"

#include "base/err.h"
#include "test/test.h"

#include <fcntl.h>
#include <unistd.h>

#define PAGES 200

typedef struct {
  pml__sqlite lib;
  sqlite3 *db;
  pml__sqlite_nowait *nowait;
  char dir[40], path[64];
} world;

static int exec(world *w, const char *sql) {
  return w->lib.sqlite3_exec(w->db, sql, NULL, NULL, NULL) & 0xff;
}

/* Opens the file anew, so that SQLite has nothing of it in memory itself. */
static void reopen(world *w, const char *vfs) {
  w->lib.sqlite3_close_v2(w->db);
  CHECK_EQ(w->lib.sqlite3_open_v2(w->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
           SQLITE_OK);
}

static void up(world *w) {
  char err[256];
  *w = (world){.dir = "/tmp/pomelua-nowait-XXXXXX"};
  CHECK(mkdtemp(w->dir));
  snprintf(w->path, sizeof w->path, "%s/a.db", w->dir);
  CHECK_EQ(pml__sqlite_load(&w->lib, err, sizeof err), 0);
  CHECK(pml__sqlite_nowait_prepare(&w->lib));
  CHECK(pml__sqlite_nowait_prepare(&w->lib)); /* the second time it is there */
  w->nowait = pml__sqlite_nowait_new(&w->lib);
  reopen(w, NULL);
  char sql[200];
  snprintf(sql, sizeof sql,
           "create table t (b blob); insert into t with recursive r(n) as (select 1 union all "
           "select n + 1 from r where n < %d) select randomblob(4000) from r",
           PAGES);
  CHECK_EQ(exec(w, sql), SQLITE_OK);
}

static void down(world *w) {
  w->lib.sqlite3_close_v2(w->db);
  pml__sqlite_nowait_free(w->nowait);
  unlink(w->path);
  CHECK_EQ(rmdir(w->dir), 0);
}

/* The kernel is asked to forget what it has in memory of the file. */
static void give_up_memory(world *w) {
  int fd = open(w->path, O_RDONLY);
  CHECK(fd >= 0);
  CHECK_EQ(fdatasync(fd), 0);
  CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  close(fd);
}

#define SUM "select sum(length(b)) from t"

/* On a file system that is in memory everything is, and a fast disk may have read ahead: then the
 * read is done. */
TEST(sqlite_nowait_fails_where_a_read_would_wait) {
  world w;
  up(&w);
  reopen(&w, pml__sqlite_nowait_name(w.nowait));
  give_up_memory(&w);
  int rc = exec(&w, SUM), met = pml__sqlite_nowait_met(w.nowait);
  CHECK(met == 0 ? rc == SQLITE_OK : rc == SQLITE_IOERR);
  CHECK(met == 0 || met == PML_EAGAIN || met == PML_ENOENT);
  reopen(&w, NULL);
  give_up_memory(&w);
  CHECK_EQ(exec(&w, SUM), SQLITE_OK); /* the usual one waits */
  CHECK_EQ(pml__sqlite_nowait_met(w.nowait), 0);
  down(&w);
}

TEST(sqlite_nowait_reads_what_is_in_memory) {
  world w;
  up(&w);
  reopen(&w, NULL);
  CHECK_EQ(exec(&w, SUM), SQLITE_OK);
  reopen(&w, pml__sqlite_nowait_name(w.nowait));
  int rc = exec(&w, SUM), met = pml__sqlite_nowait_met(w.nowait);
  if (met != PML_ENOENT) CHECK_EQ(met, 0);
  CHECK_EQ(rc, met ? SQLITE_IOERR : SQLITE_OK);
  CHECK_EQ(exec(&w, "insert into t values ('x')"), met ? rc : SQLITE_OK);
  down(&w);
}

/* Files of the kernel itself are such. */
TEST(sqlite_nowait_knows_that_a_file_cannot_tell) {
  world w;
  sqlite3 *db = NULL;
  up(&w);
  int rc = w.lib.sqlite3_open_v2("/proc/self/maps", &db, SQLITE_OPEN_READONLY,
                                 pml__sqlite_nowait_name(w.nowait));
  if (!rc) rc = w.lib.sqlite3_exec(db, SUM, NULL, NULL, NULL);
  CHECK_EQ(rc & 0xff, SQLITE_IOERR);
  CHECK_EQ(pml__sqlite_nowait_met(w.nowait), PML_ENOENT);
  CHECK_EQ(pml__sqlite_nowait_met(w.nowait), 0);
  w.lib.sqlite3_close_v2(db);
  down(&w);
}

TEST(sqlite_nowait_does_not_sleep) {
  world w;
  up(&w);
  sqlite3_vfs *vfs = w.lib.sqlite3_vfs_find(pml__sqlite_nowait_name(w.nowait));
  CHECK(vfs);
  CHECK_EQ(vfs->xSleep(vfs, 60000000), 60000000);
  down(&w);
}

TEST(sqlite_nowait_leaves_nothing_in_the_library) {
  world w;
  char name[64];
  up(&w);
  snprintf(name, sizeof name, "%s", pml__sqlite_nowait_name(w.nowait));
  pml__sqlite_nowait *other = pml__sqlite_nowait_new(&w.lib);
  CHECK(strcmp(name, pml__sqlite_nowait_name(other)) != 0);
  pml__sqlite_nowait_free(other);
  pml__sqlite_nowait_free(w.nowait);
  w.nowait = NULL;
  CHECK(!w.lib.sqlite3_vfs_find(name));
  down(&w);
}
