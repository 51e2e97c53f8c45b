/* pg_floor: the least that a program pays for queries over libpq: CONNECTIONS of them, each with
 * one query on its way at a time, without a prepared statement, read in single-row mode. The
 * benchmark compares a server with it.
 *
 * Use: pg-floor CONNINFO CONNECTIONS COUNT STATEMENT. $1 of the statement is a number from 1 to
 * 1,000. Prints one line of JSON: us of processor time a query, and quantiles of its time in us. */
#include "tools/yardstick.h"

#include <dlfcn.h>
#include <postgresql/libpq-fe.h>

#define FUNCTIONS(F) \
  F(PQconnectdb) \
  F(PQstatus) \
  F(PQerrorMessage) \
  F(PQsetnonblocking) \
  F(PQsocket) \
  F(PQsendQueryParams) \
  F(PQsetSingleRowMode) \
  F(PQflush) \
  F(PQconsumeInput) \
  F(PQisBusy) \
  F(PQgetResult) \
  F(PQresultStatus) \
  F(PQgetvalue) \
  F(PQclear) \
  F(PQfinish)

typedef struct {
#define FIELD(name) __typeof__(&name) name;
  FUNCTIONS(FIELD)
} functions;

typedef struct {
  functions f;
  PGconn *c[YARD_CONNECTIONS];
  yard y;
  const char *statement;
  long sum; /* of what was read */
} run;

static void fail(const char *what) {
  fprintf(stderr, "pg-floor: %s\n", what);
  exit(1);
}

static void load(functions *f) {
  void *lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (!lib) fail(dlerror());
#define LOAD(name) \
  *(void **)&f->name = dlsym(lib, #name); \
  if (!f->name) fail("no " #name);
  FUNCTIONS(LOAD)
}

static void send_one(void *ud, int i) {
  run *r = ud;
  char number[24];
  const char *values[1] = {number};
  long next = yard_next(&r->y, i);
  if (next < 0) return;
  snprintf(number, sizeof number, "%ld", next % 1000 + 1);
  if (!r->f.PQsendQueryParams(r->c[i], r->statement, 1, NULL, values, NULL, NULL, 0) ||
      !r->f.PQsetSingleRowMode(r->c[i]) || r->f.PQflush(r->c[i]) != 0)
    fail(r->f.PQerrorMessage(r->c[i]));
}

static void take(void *ud, int i) {
  run *r = ud;
  if (!r->f.PQconsumeInput(r->c[i])) fail(r->f.PQerrorMessage(r->c[i]));
  while (!r->f.PQisBusy(r->c[i])) {
    PGresult *res = r->f.PQgetResult(r->c[i]);
    if (!res) {
      yard_answered(&r->y, i);
      send_one(r, i);
      if (r->y.sent == r->y.count) return;
      continue;
    }
    ExecStatusType s = r->f.PQresultStatus(res);
    if (s == PGRES_SINGLE_TUPLE) r->sum += atol(r->f.PQgetvalue(res, 0, 0));
    else if (s != PGRES_TUPLES_OK) fail(r->f.PQerrorMessage(r->c[i]));
    r->f.PQclear(res);
  }
}

int main(int argc, char **argv) {
  run r = {0};
  struct pollfd fds[YARD_CONNECTIONS];
  if (argc != 5) fail("pg-floor CONNINFO CONNECTIONS COUNT STATEMENT");
  int n = atoi(argv[2]);
  r.y.count = atol(argv[3]);
  r.statement = argv[4];
  if (n < 1 || n > YARD_CONNECTIONS || r.y.count < n)
    fail("1 to 64 connections, and more queries than these");
  r.y.took = calloc((size_t)r.y.count, sizeof *r.y.took);
  load(&r.f);
  for (int i = 0; i < n; i++) {
    r.c[i] = r.f.PQconnectdb(argv[1]);
    if (r.f.PQstatus(r.c[i]) != CONNECTION_OK) fail(r.f.PQerrorMessage(r.c[i]));
    r.f.PQsetnonblocking(r.c[i], 1);
    fds[i] = (struct pollfd){.fd = r.f.PQsocket(r.c[i]), .events = POLLIN};
  }
  if (yard_run(&r.y, fds, n, send_one, take, &r, &r.sum) != 0) fail("no answer in 5 s");
  for (int i = 0; i < n; i++) r.f.PQfinish(r.c[i]);
  free(r.y.took);
  return 0;
}
