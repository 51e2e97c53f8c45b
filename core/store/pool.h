/* pool: the connections of one database, lent to calls. It is the whole pml_store_driver of a
 * database whose connections run one statement at a time (postgres, mysql): the driver itself only
 * opens a connection, runs a call on it, brings it back to a clean state, and closes it.
 *
 * A call takes a connection that is idle, or waits in line while more are opened, up to
 * `connections`. A transaction holds its connection from BEGIN to COMMIT or ROLLBACK; calls of it
 * run one after the other. A transaction also ends, and later calls of it are answered
 * PML_ECLOSED, when one of its calls is cancelled or at its deadline, when its owner releases it,
 * and with its connection.
 *
 * A call that is cancelled or at its deadline leaves its connection to `clean`, for at most
 * PML_STORE_CLEAN_MS; then the connection is closed.
 *
 * Connections are opened when calls need them. After one that failed the next attempt waits 0.1 s,
 * then twice as long each time up to 5 s, less up to a half by chance. While none is open, an
 * attempt that fails answers all that wait with PML_ECLOSED and the reason, and a call that comes
 * while the next attempt is more than PML_STORE_PATIENCE_MS away is answered so at once. Idle
 * connections are closed after five minutes. */
#ifndef PML_STORE_POOL_H
#define PML_STORE_POOL_H

#include "store/store.h"

#define PML_STORE_CLEAN_MS 2000
#define PML_STORE_PATIENCE_MS 500

typedef struct pml_store_pool pml_store_pool;

/* The first field of a driver's connection. */
typedef struct {
  pml_store_pool *pool; /* read-only */
  pml_store_call *call; /* read-only: the call that runs, NULL: none */
  uint64_t tx;          /* private: the transaction that holds it, 0: none */
  int state;            /* private */
  pml_list node;        /* private: of all connections */
  pml_list ready;       /* private: of those on which a call may be run */
  pml_list line;        /* private: calls of its transaction that wait */
  pml_timer timer;      /* private: connecting, cleaning, idle */
} pml_store_conn;

/* What a driver does. From connect and run it may report at once, from inside, by one of the
 * functions below, or later; a report is the last thing it does: the connection may be gone behind
 * it. */
typedef struct {
  const char *kind; /* "postgres", … */
  /* A connection, owned by the driver, not yet connecting. */
  pml_store_conn *(*make)(void *ud);
  /* Reports ready or lost. */
  void (*connect)(pml_store_conn *c);
  /* c->call runs: reports answered, when the call has its answer, or lost. BEGIN, COMMIT and
   * ROLLBACK are such calls too; their text is NULL. */
  void (*run)(pml_store_conn *c);
  /* c->call is NULL, and what was the call is not touched any more. A statement that still runs is
   * ended, a transaction that is open is rolled back; reports ready or lost, never from inside. */
  void (*clean)(pml_store_conn *c);
  /* In any state, from inside of a report too. The connection reports nothing any more; when
   * nothing of it is left on the loop it frees itself and calls pml_store_pool_gone, from inside
   * or later. */
  void (*close)(pml_store_conn *c);
  /* The pool has ended: frees ud, all connections are gone. */
  void (*free)(void *ud);
} pml_store_pool_driver;

typedef struct {
  uint32_t connections; /* at most; 4 */
  uint32_t connect_ms;  /* an attempt to connect; 3,000 */
  uint32_t idle_ms;     /* before an idle connection is closed; 300,000 */
} pml_store_pool_options;

#define PML_STORE_POOL_OPTIONS ((pml_store_pool_options){4, 3000, 300000})

/* Takes ud, copies the rest; d stays valid. NULL stands for the defaults. Returns owned. */
pml_store *pml_store_pool_open(pml_loop *l, const pml_store_pool_driver *d, void *ud,
                               const pml_store_pool_options *options,
                               const pml_store_limits *limits);
pml_loop *pml_store_pool_loop(const pml_store_pool *p);

/* Reports of a driver's connection, on the loop's thread. */

/* It is connected, or clean. */
void pml_store_conn_ready(pml_store_conn *c);
/* c->call has its answer: rc, state, message, values. dirty: other than 0 when the connection has
 * to be cleaned before the next call, since the statement is not at its end. */
void pml_store_conn_answered(pml_store_conn *c, int dirty);
/* It did not come up, or broke. The reason is a sentence without a line end, for c->call or for
 * those that wait. The pool closes the connection. */
void pml_store_conn_lost(pml_store_conn *c, const char *reason);
void pml_store_pool_gone(pml_store_pool *p);

#endif
