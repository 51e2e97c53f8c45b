/* mysql_statement: one statement by MySQL's binary protocol: its values go in, rows come out. */
#ifndef PML_STORE_MYSQL_STATEMENT_H
#define PML_STORE_MYSQL_STATEMENT_H

#include "store/mysql_desk.h"

/* On the desk's thread: runs d->op, QUERY or EXEC. */
void pml__mysql_statement(pml__mysql_desk *d);

#endif
