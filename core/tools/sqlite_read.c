/* sqlite_read: what one read of a row costs a program that uses libsqlite3 alone: the yardstick of
 * the benchmark's request with one SQLite read.
 *
 *   build/sqlite-read FILE [READS]
 *
 * Makes FILE as bench/app does, reads rows of it by a statement that is kept ready, and prints
 * p50 and p99 in microseconds, and the CPU time of one read. */
#include "base/mem.h"
#include "store/sqlite_library.h"
#include "tools/yardstick.h"

#include <time.h>

#define ROWS 1000

static pml__sqlite lib;

static void fail(const char *what, const char *why) {
  fprintf(stderr, "sqlite-read: %s: %s\n", what, why);
  exit(1);
}

static void run(sqlite3 *db, const char *sql) {
  if (lib.sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail(sql, lib.sqlite3_errmsg(db));
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static sqlite3 *open_file(const char *path) {
  sqlite3 *db = NULL;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (lib.sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) fail(path, "cannot be opened");
  run(db, "pragma journal_mode = wal");
  run(db, "pragma synchronous = normal");
  run(db, "create table if not exists players (id integer primary key, name text, gold integer)");
  run(db, "insert or ignore into players with recursive r(n) as (select 1 union all select n + 1 "
          "from r where n < 1000) select n, 'player ' || n, n from r");
  return db;
}

int main(int argc, char **argv) {
  char err[256];
  if (argc < 2) fail("usage", "sqlite-read FILE [READS]");
  int reads = argc > 2 ? atoi(argv[2]) : 100000;
  if (reads < 100) fail("READS", "at least 100");
  if (pml__sqlite_load(&lib, err, sizeof err) != 0) fail("no library", err);
  sqlite3 *db = open_file(argv[1]);
  sqlite3_stmt *s = NULL;
  if (lib.sqlite3_prepare_v3(db, "select name, gold from players where id = $1", -1,
                             SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
    fail("the statement", lib.sqlite3_errmsg(db));
  double *us = pml_alloc((size_t)reads * sizeof *us), before = yard_cpu_us();
  int64_t sum = 0;
  for (int i = 0; i < reads; i++) {
    double begun = now_us();
    lib.sqlite3_bind_int64(s, 1, i % ROWS + 1);
    if (lib.sqlite3_step(s) != SQLITE_ROW) fail("a row", "is not there");
    sum += lib.sqlite3_column_text(s, 0)[0] + lib.sqlite3_column_int64(s, 1);
    lib.sqlite3_step(s);
    lib.sqlite3_reset(s);
    us[i] = now_us() - begun;
  }
  double cpu = (yard_cpu_us() - before) / reads;
  yard_sort(us, (size_t)reads);
  printf("sqlite %d reads  p50 %.2f us  p99 %.2f us  cpu %.2f us  (%lld)\n", reads, us[reads / 2],
         us[reads / 100 * 99], cpu, (long long)sum);
  lib.sqlite3_finalize(s);
  lib.sqlite3_close_v2(db);
  pml_free(us);
  return 0;
}
