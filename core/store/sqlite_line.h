/* sqlite_line: the calls that wait for one file of SQLite, and the order in which they are done.
 *
 * One connection writes; reads have connections of their own, since a reader does not wait for the
 * writer (WAL). Plain statements that wait for the writer are taken together into one transaction,
 * each under a savepoint, and answered after its COMMIT. A transaction of a game holds the writer
 * until it ends, at the latest after its time.
 *
 * The jobs come from any thread, under the lock. Who does them, pml__sqlite_line_write and _read,
 * is one thread for each connection, or the only thread there is. */
#ifndef PML_STORE_SQLITE_LINE_H
#define PML_STORE_SQLITE_LINE_H

#include "base/list.h"
#include "loop/mailbox.h"
#include "store/sqlite_conn.h"
#include "store/store.h"

#include <pthread.h>

typedef struct pml__sqlite_job pml__sqlite_job;
struct pml__sqlite_job {
  pml_mail mail; /* the client's: on its way to the loop */
  pml_list node; /* in a list of the line, or of the client */
  pml_store_op op;
  pml_buf *text;             /* owned */
  pml_data params;           /* owned */
  uint64_t tx;               /* as in the call; of a BEGIN that went well, its transaction */
  uint64_t client;           /* a number of pml__sqlite_line_client */
  uint32_t tx_ms;            /* of a BEGIN: how long it may hold the writer; 0: any time */
  pml__sqlite_bounds bounds; /* stop points to the one below */
  atomic_int stop;           /* nobody waits for the answer */
  int waits;                 /* it stands in the line; under the lock */
  pml__sqlite_result r;      /* owned */
  /* Takes a chain of jobs with the same `to` that are done, linked by mail.next. PML_ECLOSED:
   * their client has gone, and they are freed. Called without the lock. */
  int (*done)(pml__sqlite_job *first);
  pml_store_call *call; /* the client's */
  int fresh;            /* the client's */
  void *to;             /* the client's */
};

#define PML__SQLITE_LATE 16 /* transactions of which is known that they were late */
typedef struct {
  uint64_t tx;
  uint32_t ms; /* its time */
} pml__sqlite_late;

/* private: of this file, but for what it says of itself */
typedef struct {
  pthread_mutex_t lock;
  pml__sqlite lib;
  char *path;                    /* owned */
  int memory;                    /* it is in memory: there is one connection */
  pml_list writes, reads, in_tx; /* jobs that wait */
  uint64_t tx, last_tx, tx_due;  /* the transaction that holds the writer; 0: none does */
  uint64_t tx_client, clients;
  uint32_t tx_ms;                          /* of its BEGIN */
  int tx_over;                             /* it is to be rolled back */
  pml__sqlite_late late[PML__SQLITE_LATE]; /* the last that were rolled back for their time */
  uint32_t late_count;                     /* how many ever were */
  pml__sqlite_conn *writer;
  pthread_mutex_t
    opening;              /* connections are opened one after the other: the first makes the file */
  atomic_uint open, busy; /* connections */
} pml__sqlite_line;

/* Copies lib and path. */
void pml__sqlite_line_init(pml__sqlite_line *l, const pml__sqlite *lib, const char *path);
/* No job waits, and nobody works. */
void pml__sqlite_line_clear(pml__sqlite_line *l);

/* With the lock held, as all that follows. */
uint64_t pml__sqlite_line_client(pml__sqlite_line *l);
/* Takes the job. Returns 1 when it is for a reader, 0: for the writer. */
int pml__sqlite_line_add(pml__sqlite_line *l, pml__sqlite_job *j);
/* The transaction, when it is open, is rolled back next; tx 0: that of the client. */
void pml__sqlite_line_end_tx(pml__sqlite_line *l, uint64_t client, uint64_t tx);
/* Does the next thing; releases the lock meanwhile. 0: there is nothing to do, before the time of
 * pml_clock_us in *due, when that is not 0. */
int pml__sqlite_line_write(pml__sqlite_line *l, uint64_t *due);
/* The same for a reader with its connection, which is opened when it is NULL. Several quick reads
 * are answered together: one wake-up of the loop serves them. 2: the writer has something to do. */
int pml__sqlite_line_read(pml__sqlite_line *l, pml__sqlite_conn **c);

/* Frees a job, which stands nowhere. */
void pml__sqlite_job_free(pml__sqlite_job *j);

#endif
