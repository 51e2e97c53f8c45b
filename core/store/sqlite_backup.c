#include "store/sqlite_backup.h"

#include "store/sqlite_library.h"

#include <stdio.h>
#include <time.h>

#define TRIES 200 /* of a file that another process has locked for a moment */
#define TRY_NS 20000000

/* An error of SQLite's, by its number or by the connection that has it. */
static int fail(const pml__sqlite *s, sqlite3 *db, int rc, const char *path, char *err,
                size_t nerr) {
  const char *said = db ? s->sqlite3_errmsg(db) : s->sqlite3_errstr(rc);
  snprintf(err, nerr, "%s: %s", path, said);
  return -1;
}

/* All pages in one step, which reads the file as it is at one moment: in steps, a file that another
 * process writes to would be begun anew again and again. */
static int copy(const pml__sqlite *s, sqlite3 *from, sqlite3 *to) {
  const struct timespec pause = {0, TRY_NS};
  sqlite3_backup *b = s->sqlite3_backup_init(to, "main", from, "main");
  if (!b) return SQLITE_ERROR;
  for (int i = 0; i < TRIES; i++) {
    int rc = s->sqlite3_backup_step(b, -1);
    if (rc != SQLITE_BUSY && rc != SQLITE_LOCKED) break;
    nanosleep(&pause, NULL);
  }
  return s->sqlite3_backup_finish(b);
}

int pml_sqlite_backup(const char *from, const char *to, char *err, size_t nerr) {
  pml__sqlite s;
  sqlite3 *source = NULL, *target = NULL;
  if (pml__sqlite_load(&s, err, nerr) != 0) return -1;
  /* Not read-only: a reader of a file in WAL mode may have to make the index beside it. */
  int rc = s.sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (rc) {
    rc = fail(&s, source, rc, from, err, nerr);
  } else {
    rc = s.sqlite3_open_v2(to, &target,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!rc) rc = copy(&s, source, target);
    /* The copy is nobody else's: what is locked is the file that is read. */
    if (rc) rc = fail(&s, target, rc, rc == SQLITE_BUSY ? from : to, err, nerr);
  }
  if (target) s.sqlite3_close_v2(target);
  if (source) s.sqlite3_close_v2(source);
  return rc;
}
