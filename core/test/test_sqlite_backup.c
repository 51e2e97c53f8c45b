#include "store/sqlite_backup.h"

#include "store/sqlite_library.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  pml__sqlite s;
  char folder[64], from[128], to[128], err[256];
  sqlite3 *db;
} files;

static void begin(files *f) {
  *f = (files){0};
  strcpy(f->folder, "/tmp/pml-backup-XXXXXX");
  CHECK(mkdtemp(f->folder) != NULL);
  snprintf(f->from, sizeof f->from, "%s/a.db", f->folder);
  snprintf(f->to, sizeof f->to, "%s/b.db", f->folder);
  CHECK_EQ(pml__sqlite_load(&f->s, f->err, sizeof f->err), 0);
}

static void end(files *f) {
  char path[160];
  if (f->db) f->s.sqlite3_close_v2(f->db);
  const char *const names[] = {"a.db", "a.db-wal", "a.db-shm", "b.db", "b.db-wal", "b.db-shm"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
    unlink(path);
  }
  CHECK_EQ(rmdir(f->folder), 0);
}

static sqlite3 *open_file(files *f, const char *path) {
  sqlite3 *db = NULL;
  CHECK_EQ(f->s.sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), 0);
  return db;
}

static int run(files *f, sqlite3 *db, const char *sql) {
  return f->s.sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int rows(files *f, const char *path) {
  sqlite3_stmt *stmt = NULL;
  sqlite3 *db = open_file(f, path);
  CHECK_EQ(f->s.sqlite3_prepare_v3(db, "select count(*) from a", -1, 0, &stmt, NULL), 0);
  CHECK_EQ(f->s.sqlite3_step(stmt), SQLITE_ROW);
  int n = (int)f->s.sqlite3_column_int64(stmt, 0);
  f->s.sqlite3_finalize(stmt);
  f->s.sqlite3_close_v2(db);
  return n;
}

TEST(sqlite_backup_has_what_was_committed_and_not_what_is_under_way) {
  files f;
  begin(&f);
  f.db = open_file(&f, f.from);
  CHECK_EQ(run(&f, f.db,
               "pragma journal_mode = wal; create table a (b); insert into a values (1), (2);"
               "begin immediate; insert into a values (3);"),
           0);
  CHECK_EQ(pml_sqlite_backup(f.from, f.to, f.err, sizeof f.err), 0);
  CHECK_EQ(rows(&f, f.to), 2);
  CHECK_EQ(run(&f, f.db, "commit"), 0);
  CHECK_EQ(pml_sqlite_backup(f.from, f.to, f.err, sizeof f.err), 0);
  CHECK_EQ(rows(&f, f.to), 3);
  end(&f);
}

TEST(sqlite_backup_needs_a_database_and_a_place_for_the_copy) {
  files f;
  char to[160];
  begin(&f);
  CHECK_EQ(pml_sqlite_backup(f.from, f.to, f.err, sizeof f.err), -1);
  CHECK(strstr(f.err, "/a.db: unable to open database file") != NULL);
  CHECK(access(f.to, F_OK) != 0);
  f.db = open_file(&f, f.from);
  CHECK_EQ(run(&f, f.db, "create table a (b)"), 0);
  snprintf(to, sizeof to, "%s/none/b.db", f.folder);
  CHECK_EQ(pml_sqlite_backup(f.from, to, f.err, sizeof f.err), -1);
  CHECK(strstr(f.err, "/none/b.db: unable to open database file") != NULL);
  FILE *text = fopen(f.to, "w");
  fputs("this is a text, and not at all a database of SQLite", text);
  fclose(text);
  CHECK_EQ(pml_sqlite_backup(f.to, f.from, f.err, sizeof f.err), -1);
  CHECK(strstr(f.err, "not a database") != NULL);
  end(&f);
}
