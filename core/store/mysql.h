/* mysql: the driver of MariaDB and MySQL, by libmariadb. Its calls wait for the server, so each
 * open connection has a thread of its own, which ends with the connection.
 *
 * A statement runs by the binary protocol, with its values apart from its text: they are written ?,
 * or $1, $2, …, which are translated. SCRIPT takes several statements and no values; its errors
 * begin with "line N: ". The server ends a statement by itself half a second after the deadline of
 * its call (max_statement_time; MySQL: max_execution_time, SELECT only). A call that is cancelled
 * takes its connection with it.
 *
 * The rows that EXEC counts are those that a statement has found, changed or not
 * (CLIENT_FOUND_ROWS), as other databases count. A statement that ends its transaction (CREATE
 * TABLE and the like) begins another one; an error that ends it (a deadlock) ends it here.
 *
 * Values, by the type of their column: whole numbers, YEAR and BIT are INT, and those beyond 2^53
 * are refused with the column's name; FLOAT and DOUBLE REAL; BLOB, BINARY, VARBINARY and geometry
 * BYTES; all others TEXT: DECIMAL, texts, JSON, ENUM, SET, dates and times. Values of a statement:
 * BOOL is 1 or 0.
 *
 * Formats: the C API of MariaDB Connector/C 3.3; "Prepared Statements" of MariaDB's manual. */
#ifndef PML_STORE_MYSQL_H
#define PML_STORE_MYSQL_H

#include "store/pool.h"

typedef struct {
  const char *host;     /* name, address, or the path of a socket that begins with '/' */
  uint16_t port;        /* 0: 3306 */
  const char *user;     /* NULL: none */
  const char *password; /* NULL: none */
  const char *database; /* NULL: none */
  int tls;              /* encrypted, and the server's certificate is checked */
  const char *ca;       /* the file of the authority for it; NULL: the system's */
  pml_store_pool_options pool;
} pml_mysql_options;

/* Borrows the options. NULL with one sentence in err: the library is not here, the loop is virtual.
 * No connection is made before the first call. */
pml_store *pml_mysql_open(pml_loop *l, const pml_mysql_options *o, const pml_store_limits *limits,
                          char *err, size_t nerr);

#endif
