/* sqlite_private: a connection as sqlite_conn and sqlite_run know it. */
#ifndef PML_STORE_SQLITE_PRIVATE_H
#define PML_STORE_SQLITE_PRIVATE_H

#include "store/sqlite_conn.h"
#include "store/sqlite_nowait.h"

#define PML__SQLITE_KEPT 64 /* statements that a connection keeps ready */
/* What a connection near the server takes: bytes of a value, or of a row, and of a statement. */
#define PML__SQLITE_NEAR_BYTES 65536

/* A statement that is ready. Parameters are written $1, $2, …; SQLite numbers names by where they
 * stand first, so each has the number of its value here. */
typedef struct {
  sqlite3_stmt *stmt; /* NULL: the place is free */
  char *text;         /* owned */
  size_t n;
  uint32_t hash;
  uint32_t *value; /* owned: which value each parameter of SQLite's gets, from 1 */
  uint32_t count;  /* how many of these */
  uint32_t values; /* the highest of them */
  uint32_t us[2];  /* how long it took the last time, and the time before */
  uint32_t plan;   /* how long SQLite took to make it ready, in microseconds */
  uint64_t used;   /* when it was used last, by the connection's count */
} pml__sqlite_ready;

struct pml__sqlite_conn {
  const pml__sqlite *lib; /* borrowed */
  sqlite3 *db;
  pml__sqlite_role role;
  pml__sqlite_nowait *nowait; /* owned; NULL: not near */
  sqlite3_stmt *step[PML__SQLITE_STEPS];
  pml__sqlite_ready kept[PML__SQLITE_KEPT];
  uint64_t used;
  int own;                          /* what runs is ours: the authorizer allows it */
  const char *refused;              /* why the authorizer has refused a statement */
  int script;                       /* what runs is a file of statements */
  int passing;                      /* the statement is not to be kept ready */
  const pml__sqlite_bounds *bounds; /* of what runs */
  uint64_t busy_since;              /* when it began to wait for another process */
};

/* Fills r from the last error of the connection. before: begins the message, or "". */
void pml__sqlite_conn_fail(pml__sqlite_conn *c, pml__sqlite_result *r, const char *before);
/* The statement of a text, ready to be bound; borrowed until the next one. NULL: r says why. */
pml__sqlite_ready *pml__sqlite_conn_prepare(pml__sqlite_conn *c, pml_slice text,
                                            pml__sqlite_result *r);

#endif
