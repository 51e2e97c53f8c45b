/* sqlite_conn: one connection to a file of SQLite: opened with what protects the file, statements
 * kept ready, parameters in, rows out.
 *
 * A connection is used by one thread at a time. Statements of games may not begin or end
 * transactions, attach files or change how the connection works: an authorizer refuses them. */
#ifndef PML_STORE_SQLITE_CONN_H
#define PML_STORE_SQLITE_CONN_H

#include "base/buf.h"
#include "store/data.h"
#include "store/sqlite_library.h"

#include <stdatomic.h>

/* The answer to a statement: as in pml_store_call. Owns message and values. */
typedef struct {
  int rc;
  char state[6];
  pml_buf *message;
  uint32_t columns;
  pml_data values;
  uint64_t rows;
  uint32_t us; /* how long the statement ran; UINT32_MAX: not known, or its plan took long */
} pml__sqlite_result;

/* What a statement may take. */
typedef struct {
  uint32_t max_rows;
  size_t max_bytes;
  uint64_t due;           /* of pml_clock_us: a statement that runs longer is interrupted */
  const atomic_int *stop; /* not 0: the same at once; borrowed */
  int in_tx;              /* it is one of several, in a transaction of their own */
} pml__sqlite_bounds;

typedef struct pml__sqlite_conn pml__sqlite_conn;

/* Frees what the result owns; it is empty again. */
void pml__sqlite_result_drop(pml__sqlite_result *r);
/* Sets rc, SQLSTATE and a message in printf's form; what it held goes. */
void pml__sqlite_result_fail(pml__sqlite_result *r, int rc, const char *state, const char *fmt, ...)
  __attribute__((format(printf, 4, 5)));

#define PML__SQLITE_NEAR_TEXT 4096 /* the longest statement of the third */
typedef enum {
  PML__SQLITE_WRITER,
  PML__SQLITE_READER, /* its statements cannot change the file */
  PML__SQLITE_NEAR    /* the same, and none of them can hold up the thread: see store/sqlite_near */
} pml__sqlite_role;

/* Borrows lib. Returns owned, or NULL with the reason in *r. */
pml__sqlite_conn *pml__sqlite_conn_open(const pml__sqlite *lib, const char *path,
                                        pml__sqlite_role role, pml__sqlite_result *r);
void pml__sqlite_conn_close(pml__sqlite_conn *c); /* NULL is allowed */

/* Runs exactly one statement; rows: the answer is its rows, else how many it has changed. Borrows
 * all. Returns r->rc; PML_EAGAIN: a reader got a statement that writes, and nothing was done. */
int pml__sqlite_conn_run(pml__sqlite_conn *c, pml_slice text, pml_data *params, int rows,
                         const pml__sqlite_bounds *b, pml__sqlite_result *r);
/* Whether a statement is ready and took less than that many microseconds one of the last two times:
 * the thread may have had to wait for a processor. */
int pml__sqlite_conn_is_quick(const pml__sqlite_conn *c, pml_slice text, uint32_t us);
/* The statement is ready afterwards, or r says why not; it counts as one that took us the last
 * times. */
int pml__sqlite_conn_ready(pml__sqlite_conn *c, pml_slice text, uint32_t us, pml__sqlite_result *r);
/* Of a PML__SQLITE_NEAR: what its reads have met since the last call, as pml__sqlite_nowait_met. */
int pml__sqlite_conn_met(pml__sqlite_conn *c);
/* Runs any number of statements without parameters. An error's message begins with its line. */
int pml__sqlite_conn_script(pml__sqlite_conn *c, pml_slice text, const pml__sqlite_bounds *b,
                            pml__sqlite_result *r);

/* Steps of a transaction. A savepoint has no name: there is one at a time. */
typedef enum {
  PML__SQLITE_BEGIN,
  PML__SQLITE_COMMIT,
  PML__SQLITE_ROLLBACK,
  PML__SQLITE_SAVEPOINT,
  PML__SQLITE_RELEASE,
  PML__SQLITE_BACK, /* to the savepoint, which goes */
  PML__SQLITE_STEPS
} pml__sqlite_step;
int pml__sqlite_conn_step(pml__sqlite_conn *c, pml__sqlite_step step, const pml__sqlite_bounds *b,
                          pml__sqlite_result *r);
/* Whether a transaction is open: an error may have ended it. */
int pml__sqlite_conn_in_tx(const pml__sqlite_conn *c);
/* Whether a foreign key that is checked at its COMMIT is broken now. */
int pml__sqlite_conn_breaks_key(const pml__sqlite_conn *c);

#endif
