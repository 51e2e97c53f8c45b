/* postgres: the driver of PostgreSQL, by libpq. It never waits: connections are made, used and
 * ended by events of the loop, names are looked up by store/names, and a statement that runs is
 * cancelled by a thread of its own, since libpq waits there (before its version 17).
 *
 * A statement runs with its parameters apart from its text, as one statement without a name, so it
 * also passes through a pooler such as pgbouncer. SCRIPT takes several statements and no
 * parameters. The server ends a statement by itself half a second after the deadline of its call
 * (statement_timeout). A transaction that has failed answers COMMIT with an error.
 *
 * Values, by the type of their column: int2, int4, int8 and oid are INT, float4 and float8 REAL,
 * bool BOOL, bytea BYTES; all others TEXT, as the server writes them: numeric, text, json,
 * timestamps, arrays. Parameters: BYTES is a bytea, all others are texts whose type the statement
 * says.
 *
 * Formats: the documentation of PostgreSQL 15, 34 (libpq) and 8 (types). */
#ifndef PML_STORE_POSTGRES_H
#define PML_STORE_POSTGRES_H

#include "store/pool.h"

typedef struct {
  const char *host;        /* name, address, or the folder of a socket that begins with '/' */
  uint16_t port;           /* 0: 5432 */
  const char *user;        /* of the database */
  const char *password;    /* NULL: none */
  const char *database;    /* NULL: named as the user */
  const char *sslmode;     /* as libpq takes it; NULL: "prefer" */
  const char *sslrootcert; /* the file of the authority; NULL: libpq's default */
  pml_store_pool_options pool;
} pml_postgres_options;

/* Borrows the options. NULL with one sentence in err: the library is not here, the loop is virtual,
 * an option is missing. No connection is made before the first call. */
pml_store *pml_postgres_open(pml_loop *l, const pml_postgres_options *o,
                             const pml_store_limits *limits, char *err, size_t nerr);

#endif
