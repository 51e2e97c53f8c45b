/* redis: a Redis server behind the port store/store.h: calls share a few connections, on which they
 * follow each other without waiting for answers.
 *
 * PML_STORE_COMMAND: params are the words of one command. PML_STORE_SCRIPT: several commands, each
 * a whole number (how many words it has) and then its words; the answer is an array with one value
 * for each. They leave together, and no other call is between them. With the text "MULTI" they are
 * a transaction of Redis: all of them are done, with nothing of any client between them, or none. A
 * command that fails is an error in that array (PML_DATUM_ERROR), unless it is the only one. Other
 * operations are answered PML_EINVAL.
 *
 * Calls on different connections may be done in any order: who needs an order waits for the answer,
 * or sends a list. A call at its deadline that was sent already may still be done; one
 * that waited for a connection is not. Its reply is dropped when it comes, and the connection
 * stays.
 *
 * Connections are opened when calls need them. When one breaks, calls that were sent on it are
 * answered PML_ECLOSED and never sent again, since they may have been done. After an attempt that
 * failed the next one waits 0.1 s, then twice as long each time up to 5 s, less up to a half by
 * chance; while none is open, an attempt that fails answers all that wait with PML_ECLOSED and the
 * reason, and a call that comes while the next attempt is more than PML_REDIS_PATIENCE_MS away is
 * answered so at once. */
#ifndef PML_STORE_REDIS_H
#define PML_STORE_REDIS_H

#include "store/store.h"

#define PML_REDIS_PATIENCE_MS 500

typedef struct {
  const char *host; /* a name or an address */
  uint16_t port;    /* 6379 when 0 */
  uint32_t database;
  const char *user; /* NULL: none; with a password only */
  const char *password;
  uint32_t connections; /* at most; 4 */
  uint32_t connect_ms;  /* an attempt to connect; 3,000 */
  uint32_t idle_ms;     /* before an idle connection is closed; 300,000 */
  uint32_t silent_ms;   /* a connection that owes answers and sends nothing is closed; 30,000 */
  size_t max_queued;    /* bytes of commands that wait to be sent; 64 MiB, then PML_EFULL */
} pml_redis_options;

#define PML_REDIS_OPTIONS \
\
  ((pml_redis_options){.connections = 4, \
                       .connect_ms = 3000, \
                       .idle_ms = 300000, \
                       .silent_ms = 30000, \
                       .max_queued = (size_t)64 << 20})

/* Borrows o. limits: NULL stands for PML_STORE_LIMITS; max_rows is the number of elements of an
 * answer. Returns owned, NULL with one sentence in err: an option is wrong, the library is missing,
 * or the loop is virtual. Connects to nothing yet. */
pml_store *pml_redis_open(pml_loop *l, const pml_redis_options *o, const pml_store_limits *limits,
                          char *err, size_t nerr);

#endif
