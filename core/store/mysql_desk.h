/* mysql_desk: the half of a connection to MySQL that waits. libmariadb's calls wait for the server,
 * so each connection has a thread of its own (loop/workers), which does one thing at a time.
 *
 * A desk belongs to the loop's side (store/mysql) while no job runs, and to the thread while one
 * does. What the loop's side does not wait for any more it abandons: the socket is shut down, which
 * ends the thread's call, and the thread frees the desk. */
#ifndef PML_STORE_MYSQL_DESK_H
#define PML_STORE_MYSQL_DESK_H

#include "loop/workers.h"
#include "store/mysql.h"
#include "store/mysql_library.h"
#include "store/mysql_text.h"

#include <pthread.h>

typedef enum {
  PML__MYSQL_CONNECT,
  PML__MYSQL_RUN,   /* what stands in op, text and params */
  PML__MYSQL_CLEAN, /* no transaction is open afterwards, and no lock is held */
  PML__MYSQL_QUIT
} pml__mysql_what;

typedef struct {
  pml_job job;
  void *owner; /* of the loop's side */

  /* Unchanged. */
  pml__mysql lib;
  char *host, *user, *password, *database, *ca; /* owned */
  uint16_t port;
  int tls;
  uint32_t connect_ms;
  uint32_t ms; /* of calls that bring no deadline */
  size_t max_bytes;

  /* What is to be done. */
  pml__mysql_what what;
  pml_store_op op;
  pml_buf *text;   /* shared */
  pml_data params; /* owned */
  int in_tx;       /* a transaction is open, or is to be opened */
  uint32_t call_ms;
  uint32_t max_rows;

  /* What came of it. */
  int rc;
  char state[6];
  char message[512];
  uint32_t columns;
  pml_data values; /* owned */
  uint64_t rows;
  int lost;  /* the connection is gone: message says why */
  int dirty; /* it has to be cleaned; with stuck: it cannot be */
  int stuck;

  /* The thread's. */
  MYSQL *my;
  pml__mysql_mode mode;
  uint32_t server_ms; /* the server ends statements after it; 0: it does not */

  pthread_mutex_t lock; /* guards the two */
  int fd;               /* a second descriptor of its socket, of the desk alone; -1: none */
  int abandoned;        /* nobody waits for it: nothing more is sent */
} pml__mysql_desk;

/* Returns owned. Borrows all; ms and max_bytes are of the store's limits. */
pml__mysql_desk *pml__mysql_desk_new(const pml__mysql *lib, const pml_mysql_options *o, uint32_t ms,
                                     size_t max_bytes);
/* Any thread. Ends the connection, without waiting for the server. */
void pml__mysql_desk_free(pml__mysql_desk *d);
/* Any thread: nobody waits for it any more. The call that its thread is in ends with an error. */
void pml__mysql_desk_shut(pml__mysql_desk *d);

/* For its thread. */

/* No outcome is there. */
void pml__mysql_clear(pml__mysql_desk *d);
/* The outcome is an error of ours, in printf's form. */
void pml__mysql_fail(pml__mysql_desk *d, int rc, const char *fmt, ...)
  __attribute__((format(printf, 3, 4)));
/* The outcome is an error of libmariadb's or the server's. */
void pml__mysql_failed(pml__mysql_desk *d, unsigned number, const char *state, const char *text);
/* d->my has been connected. */
void pml__mysql_connected(pml__mysql_desk *d);
/* Ends the connection, if there is one. */
void pml__mysql_leave(pml__mysql_desk *d);
/* Whether nobody waits for what it does. */
int pml__mysql_is_abandoned(pml__mysql_desk *d);

#endif
