/* postgres_library: libpq, loaded when the first PostgreSQL database is opened and not before. Its
 * functions are called through one table, of which every database has its own. */
#ifndef PML_STORE_POSTGRES_LIBRARY_H
#define PML_STORE_POSTGRES_LIBRARY_H

#include <postgresql/libpq-fe.h>
#include <stddef.h>

#define PML__PQ_FUNCTIONS(F) \
  F(PQconnectStartParams) \
  F(PQconnectPoll) \
  F(PQstatus) \
  F(PQtransactionStatus) \
  F(PQsocket) \
  F(PQsslInUse) \
  F(PQsetnonblocking) \
  F(PQsetNoticeReceiver) \
  F(PQerrorMessage) \
  F(PQfinish) \
  F(PQsendQuery) \
  F(PQsendQueryParams) \
  F(PQsetSingleRowMode) \
  F(PQflush) \
  F(PQconsumeInput) \
  F(PQisBusy) \
  F(PQgetResult) \
  F(PQnotifies) \
  F(PQfreemem) \
  F(PQresultStatus) \
  F(PQresultErrorField) \
  F(PQresultErrorMessage) \
  F(PQcmdStatus) \
  F(PQcmdTuples) \
  F(PQntuples) \
  F(PQnfields) \
  F(PQfname) \
  F(PQftype) \
  F(PQgetisnull) \
  F(PQgetvalue) \
  F(PQgetlength) \
  F(PQunescapeBytea) \
  F(PQclear) \
  F(PQgetCancel) \
  F(PQcancel) \
  F(PQfreeCancel)

typedef struct {
#define PML__PQ_FIELD(name) __typeof__(&name) name;
  PML__PQ_FUNCTIONS(PML__PQ_FIELD)
#undef PML__PQ_FIELD
} pml__pq;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__pq_load(pml__pq *out, char *err, size_t nerr);

#endif
