#include "store/postgres.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/password.h"
#include "store/postgres_private.h"

#include <stdio.h>

static char *copy(const char *s) { return s ? pml_strdup(s) : NULL; }

static void pg_free(void *ud) {
  pml__pg *pg = ud;
  if (pg->names) pml_names_close(pg->names);
  pml_workers_close(pg->workers);
  if (pg->password) pml_password_wipe(pg->password, strlen(pg->password));
  char *texts[] = {pg->host,     pg->port,    pg->user,       pg->password,
                   pg->database, pg->sslmode, pg->sslrootcert};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) pml_free(texts[i]);
  pml_free(pg);
}

static const pml_store_pool_driver driver = {
  "postgres", pml__pg_make, pml__pg_connect, pml__pg_run, pml__pg_clean, pml__pg_close, pg_free,
};

static pml__pg *pg_new(pml_loop *l, const pml_postgres_options *o) {
  pml__pg *pg = pml_alloc0(sizeof *pg);
  char port[8];
  snprintf(port, sizeof port, "%u", o->port ? o->port : 5432u);
  pg->loop = l;
  pg->host = copy(o->host);
  pg->port = copy(port);
  pg->user = copy(o->user);
  pg->password = copy(o->password);
  pg->database = copy(o->database ? o->database : o->user);
  pg->sslmode = copy(o->sslmode ? o->sslmode : "prefer");
  pg->sslrootcert = copy(o->sslrootcert);
  pg->connect_ms = o->pool.connect_ms;
  pg->begin = pml__pg_begin;
  return pg;
}

pml_store *pml_postgres_open(pml_loop *l, const pml_postgres_options *o,
                             const pml_store_limits *limits, char *err, size_t nerr) {
  pml_store_limits usual = PML_STORE_LIMITS;
  if (!o->host || !o->host[0] || !o->user || !o->user[0]) {
    snprintf(err, nerr, "a PostgreSQL database needs a host and a user");
    return NULL;
  }
  if (pml_loop_is_virtual(l)) {
    snprintf(err, nerr, "the test kit has no PostgreSQL: give test.sqlite() in its place");
    return NULL;
  }
  pml__pg *pg = pg_new(l, o);
  if (pml__pq_load(&pg->f, err, nerr)) {
    pg_free(pg);
    return NULL;
  }
  pg->ms = (limits ? limits : &usual)->ms;
  pg->names = pml_names_new(l, NULL);
  uint32_t threads = o->pool.connections;
  pg->workers = pml_workers_new(l, threads, threads);
  if (!pg->workers) {
    snprintf(err, nerr, "the system gives no descriptor");
    pg_free(pg);
    return NULL;
  }
  return pml_store_pool_open(l, &driver, pg, &o->pool, limits);
}
