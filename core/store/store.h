/* store: the port through which a server uses what is outside of it: a database, a cache, an HTTP
 * service. A driver (sqlite, postgres, mysql, redis, http) stands behind it and knows no other one.
 *
 * A store belongs to one loop, and all calls are made on that loop's thread. What a driver does on
 * threads of its own it brings back to the loop before it answers.
 *
 * A call is submitted once and answered once: by its driver, at its deadline, when it is cancelled
 * or when the store closes, whatever is first. `done` is never called from inside of
 * pml_store_submit. After the answer a driver does not touch the call: pml_store_driver.cancel
 * tells it which one it has to forget.
 *
 * What this file does for all drivers: how many calls may wait, their deadlines, counters, and
 * that an answer is not larger than allowed. */
#ifndef PML_STORE_STORE_H
#define PML_STORE_STORE_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/data.h"

typedef enum {
  PML_STORE_QUERY,    /* a statement; the answer is rows */
  PML_STORE_EXEC,     /* a statement; the answer is how many rows it has changed */
  PML_STORE_BEGIN,    /* of a transaction; the answer is its number, in `tx` */
  PML_STORE_COMMIT,   /* of transaction tx */
  PML_STORE_ROLLBACK, /* the same */
  PML_STORE_SCRIPT,   /* several statements, as in the file of a migration; tx may be given */
  PML_STORE_COMMAND,  /* of a cache: params are the words of the command */
  PML_STORE_REQUEST   /* of HTTP: see store/http.h */
} pml_store_op;

typedef struct pml_store pml_store;
typedef struct pml_store_call pml_store_call;
struct pml_store_call {
  /* Who submits fills these; they stay unchanged. */
  pml_store_op op;
  pml_buf *text;                             /* the statement, owned; NULL: none */
  pml_data params;                           /* owned */
  uint64_t tx;                               /* the transaction that it belongs to; 0: none */
  uint32_t ms;                               /* how long it may take; 0: the store's own limit */
  uint32_t max_rows;                         /* 0: the store's own limit */
  void (*done)(pml_store_call *c, void *ud); /* may free the call, close and free the store */
  void *ud;

  /* The answer; what a driver sets before pml_store_answer. */
  int rc;           /* 0, PML_ETIMEOUT, PML_EFULL, PML_ECLOSED, PML_EIO: an error of the database,
                       PML_ETOOBIG: rows or bytes, PML_EBOUND: an address that is not allowed,
                       PML_EINVAL: a value or a statement that this driver cannot take */
  char state[6];    /* with PML_EIO: the SQLSTATE, "" when there is none */
  pml_buf *message; /* owned; NULL: none, or with rc a sentence for a person, without a line end */
  uint32_t columns; /* of a query: the names of its columns are the first values, */
  pml_data values;  /* then the rows, one after the other; of others: the values of the answer */
  uint64_t rows;    /* of a query: how many; of EXEC: how many rows were changed */

  pml_list node;    /* private */
  pml_store *store; /* private: NULL when it is not under way */
  pml_timer timer;  /* private */
  pml_task task;    /* private */
  uint64_t begun;   /* private */
  int answered;     /* private: by the driver, which knows it no more */
  void *driver;     /* the driver's own, from submit to answer or cancel */
  pml_list line;    /* the same, for a line of waiting calls */
};

/* What a driver does. */
typedef struct {
  const char *kind; /* "sqlite", "postgres", … */
  /* Takes the call into work, or answers it with pml_store_answer. May take text and params away.
   */
  void (*submit)(void *self, pml_store_call *c);
  /* The call was answered otherwise, and must be forgotten. A statement that runs is ended where
   * that is possible; its connection comes back clean, or goes. When it has not begun, since
   * others were before it, rc is set to PML_EFULL: what the call gets at its deadline. */
  void (*cancel)(void *self, pml_store_call *c);
  /* The transaction's owner has gone: ROLLBACK, before anything else, without an answer. A number
   * that is no open transaction is ignored. */
  void (*release)(void *self, uint64_t tx);
  /* How many connections are open, how many of them are at work. */
  void (*connections)(void *self, uint32_t *open, uint32_t *busy);
  /* No call is under way. Ends all; `closed` is called once when nothing of the driver is left on
   * the loop, at once or later; self is freed by the driver. */
  void (*close)(void *self, void (*closed)(void *ud), void *ud);
  /* 0, or PML_EINVAL with a sentence in err: this call is never possible. NULL: nothing is checked
   * before a call is submitted. */
  int (*check)(void *self, pml_store_call *c, char *err, size_t nerr);
  /* As pml_store_now, without counting. NULL: no answer is ever there at once. */
  int (*now)(void *self, pml_slice text, pml_store_call *c);
} pml_store_driver;

typedef struct {
  uint32_t max_waiting; /* calls under way; 1,024 */
  uint32_t ms;          /* the deadline of calls that bring none; 4,000 */
  uint32_t max_rows;    /* 10,000 */
  size_t max_bytes;     /* of one answer; 16 MiB */
} pml_store_limits;

#define PML_STORE_LIMITS ((pml_store_limits){1024, 4000, 10000, (size_t)16 << 20})

/* Upper bounds of the classes of the latency histogram, in microseconds; the last has none. */
#define PML_STORE_CLASSES 12
extern const uint32_t pml_store_bounds[PML_STORE_CLASSES - 1];

typedef struct {
  uint32_t waiting;                 /* calls under way now */
  uint32_t open, busy;              /* connections */
  uint64_t calls, errors;           /* answered; with rc other than 0 */
  uint64_t timeouts, refused;       /* of these: at the deadline; because too many waited */
  uint64_t us;                      /* the time of all of them */
  uint64_t took[PML_STORE_CLASSES]; /* how many took how long */
} pml_store_stats;

/* For a driver's open: takes self, borrows the loop. Returns owned. */
pml_store *pml_store_new(pml_loop *l, const pml_store_driver *d, void *self,
                         const pml_store_limits *limits);
/* Whether a call may be submitted at all, for who can say so where the call is made: 0, or
 * PML_EINVAL with a sentence in err. */
int pml_store_check(pml_store *s, pml_store_call *c, char *err, size_t nerr);
/* Takes the call until it is answered. Too many: it is answered PML_EFULL, in the next turn. */
void pml_store_submit(pml_store *s, pml_store_call *c);
/* Before a call is submitted, for who can take its answer here: 1 when the driver has it at once, c
 * has it then. 0: the call has to be submitted. Of what the caller fills it wants op and params,
 * which stay the caller's, and the text beside; the memory of values may be used. */
int pml_store_now(pml_store *s, pml_slice text, pml_store_call *c);
/* Its `done` is not called, and the call is the caller's again. Harmless when not under way. */
void pml_store_cancel(pml_store_call *c);
void pml_store_release(pml_store *s, uint64_t tx);
void pml_store_stats_get(pml_store *s, pml_store_stats *out);
/* The driver ends, and calls under way are answered PML_ECLOSED at the end of this turn, to which
 * the loop still has to come. Takes s: it may not be used again, also by those whose calls are
 * answered. `closed` may be NULL. */
void pml_store_close(pml_store *s, void (*closed)(void *ud), void *ud);
/* Frees what a call owns, which is not under way; the struct is the caller's. */
void pml_store_call_drop(pml_store_call *c);

/* For drivers. The call has its answer: ends the deadline, counts, checks the limits of size, and
 * calls done, when it is called from inside of submit at the end of the turn. */
void pml_store_answer(pml_store_call *c);
/* The same with rc and a message in printf's form. */
void pml_store_fail(pml_store_call *c, int rc, const char *fmt, ...)
  __attribute__((format(printf, 3, 4)));
/* Sets rc and a message, and drops the values: for a driver that answers later. */
void pml_store_error(pml_store_call *c, int rc, const char *fmt, ...)
  __attribute__((format(printf, 3, 4)));
/* What is left of the call's time, in milliseconds; at least 1. */
uint32_t pml_store_left(const pml_store_call *c);
/* Rows, and bytes of an answer, that this call may still take; a driver stops early by it. */
uint32_t pml_store_max_rows(const pml_store_call *c);
size_t pml_store_max_bytes(const pml_store_call *c);
pml_loop *pml_store_loop(const pml_store *s);

#endif
