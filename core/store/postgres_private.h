/* postgres_private: what the files of the driver of PostgreSQL share. */
#ifndef PML_STORE_POSTGRES_PRIVATE_H
#define PML_STORE_POSTGRES_PRIVATE_H

#include "loop/workers.h"
#include "store/names.h"
#include "store/pool.h"
#include "store/postgres_library.h"
#include "store/postgres_params.h"

typedef struct pml__pg_cancel pml__pg_cancel;
typedef struct pml__pg_conn pml__pg_conn;

/* One database. */
typedef struct {
  pml__pq f;
  pml_loop *loop;
  char *host, *port, *user, *password, *database, *sslmode, *sslrootcert; /* owned */
  uint32_t ms;         /* the deadline of most calls */
  uint32_t connect_ms; /* for an attempt to connect */
  pml_names *names;
  pml_workers *workers;           /* that cancel, one for each connection */
  void (*begin)(pml__pg_conn *c); /* pml__pg_begin: the connection has come up */
} pml__pg;

/* The statement_timeout for a deadline: the server is second. */
static inline uint32_t pml__pg_timeout(uint32_t ms) {
  return ms > INT32_MAX - 500 ? INT32_MAX : ms + 500;
}

typedef enum {
  PML__PG_NOTHING,
  PML__PG_TIMEOUT,   /* its statement_timeout is set; then the call's statement is sent */
  PML__PG_STATEMENT, /* of the call, or of one that was cancelled */
  PML__PG_CLEANING,  /* ROLLBACK of a transaction that was left, or its locks are given back */
  PML__PG_COPY       /* COPY, which nobody here can bring to its end */
} pml__pg_work;

struct pml__pg_conn {
  pml_store_conn base;
  pml__pg *pg;
  PGconn *pq;
  uv_poll_t *poll; /* owned by libuv until it is closed; NULL: none */
  int fd;          /* that it polls */
  int writing;     /* it waits for room to write, too */
  pml_names_ask ask;
  pml__pg_work work;
  int cleaning;
  int unlocked;           /* while it is cleaned: its locks were given back */
  uint32_t timeout_ms;    /* the connection's statement_timeout now; 0: not known */
  uint32_t timeout_begun; /* what it was when the transaction began */
  uint32_t timeout_asked;
  pml__pg_cancel *cancel; /* under way; NULL: none */
  pml_task task;          /* what clean reports, later */
  pml__pg_params params;  /* of the statement that is sent, reused */
};

/* postgres_connect.c */
pml_store_conn *pml__pg_make(void *ud);
void pml__pg_connect(pml_store_conn *c);
void pml__pg_close(pml_store_conn *c);
/* Has cb called for events of the connection's socket. 0, or it reports lost. */
int pml__pg_watch(pml__pg_conn *c, int events, uv_poll_cb cb);
/* Reports lost with the first line of what libpq says. */
void pml__pg_lost(pml__pg_conn *c);

/* postgres_run.c */
/* The connection has come up: what its socket says is read from now on, and it is reported. */
void pml__pg_begin(pml__pg_conn *c);
void pml__pg_run(pml_store_conn *c);
void pml__pg_clean(pml_store_conn *c);

/* postgres_result.c */
/* Puts a result of the call's statement into its answer. 1: the call has its answer, an error, and
 * more of the result may follow. */
int pml__pg_take(const pml__pq *f, PGresult *r, pml_store_call *call);

/* postgres_cancel.c */
/* Has a thread ask the server to end the connection's statement; ended is called afterwards, unless
 * it was forgotten. */
void pml__pg_cancel_start(pml__pg_conn *c, void (*ended)(pml__pg_conn *c));
/* The connection goes: what the thread does ends by itself. */
void pml__pg_cancel_forget(pml__pg_cancel *k);

#endif
