/* postgres_connect: a connection comes up: its host's addresses, libpq's steps by events of the
 * loop, and its end. */
#include "base/container.h"
#include "base/mem.h"
#include "store/postgres_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define C_OF(b) PML_CONTAINER(b, pml__pg_conn, base)

static void on_addresses(pml_names_ask *a);

pml_store_conn *pml__pg_make(void *ud) {
  pml__pg_conn *c = pml_alloc0(sizeof *c);
  c->pg = ud;
  c->fd = -1;
  return &c->base;
}

static void on_poll_closed(uv_handle_t *h) { pml_free(h); }

static void poll_close(pml__pg_conn *c) {
  if (!c->poll) return;
  /* Before libpq closes the socket: its number may be another one's then. */
  uv_poll_stop(c->poll);
  uv_close((uv_handle_t *)c->poll, on_poll_closed);
  c->poll = NULL;
  c->fd = -1;
}

static void lost(pml__pg_conn *c, const char *why) {
  char line[256];
  snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\n"), why);
  pml_store_conn_lost(&c->base, line[0] ? line : "libpq does not say why");
}

void pml__pg_lost(pml__pg_conn *c) {
  lost(c, c->pq ? c->pg->f.PQerrorMessage(c->pq) : "no memory");
}

int pml__pg_watch(pml__pg_conn *c, int events, uv_poll_cb cb) {
  int fd = c->pg->f.PQsocket(c->pq), rc = 0;
  if (c->poll && fd != c->fd) poll_close(c);
  if (!c->poll) {
    c->poll = pml_alloc0(sizeof *c->poll);
    rc = uv_poll_init(pml_loop_uv(c->pg->loop), c->poll, fd);
    if (rc) {
      pml_free(c->poll);
      c->poll = NULL;
    } else {
      c->poll->data = c;
      c->fd = fd;
    }
  }
  if (!rc) rc = uv_poll_start(c->poll, events, cb);
  if (rc) lost(c, uv_strerror(rc));
  return rc;
}

static void on_step(uv_poll_t *h, int status, int events);

static void step_taken(pml__pg_conn *c, PostgresPollingStatusType s) {
  switch (s) {
  case PGRES_POLLING_READING: pml__pg_watch(c, UV_READABLE, on_step); break;
  case PGRES_POLLING_WRITING: pml__pg_watch(c, UV_WRITABLE, on_step); break;
  case PGRES_POLLING_OK: c->pg->begin(c); break;
  default: pml__pg_lost(c);
  }
}

static void on_step(uv_poll_t *h, int status, int events) {
  pml__pg_conn *c = h->data;
  (void)status; /* libpq finds the socket's error by itself */
  (void)events;
  /* A step may close the socket and open another one of the same number, which the poll would take
   * for the old one. */
  uv_poll_stop(h);
  step_taken(c, c->pg->f.PQconnectPoll(c->pq));
}

static void ignore_notice(void *ud, const PGresult *r) {
  (void)ud;
  (void)r;
}

/* hostaddr: addresses with commas between, NULL for the folder of a socket. host has as many names,
 * by which TLS checks the certificate. */
static void start(pml__pg_conn *c, const char *hostaddr, const char *host) {
  pml__pg *pg = c->pg;
  char options[160];
  snprintf(options, sizeof options,
           "-c statement_timeout=%u -c bytea_output=hex -c extra_float_digits=1 "
           "-c DateStyle=ISO -c IntervalStyle=postgres",
           c->timeout_ms);
  const char *names[] = {
    "host",        "hostaddr", "port",     "user",       "password",        "dbname",
    "sslmode",     "options",  "passfile", "gssencmode", "client_encoding", "application_name",
    "sslrootcert", NULL};
  const char *values[] = {
    host,    hostaddr,       pg->port,  pg->user, pg->password, pg->database,    pg->sslmode,
    options, "/nonexistent", "disable", "UTF8",   "pomelua",    pg->sslrootcert, NULL};
  c->pq = pg->f.PQconnectStartParams(names, values, 0);
  if (!c->pq || pg->f.PQstatus(c->pq) == CONNECTION_BAD) {
    pml__pg_lost(c);
    return;
  }
  pg->f.PQsetNoticeReceiver(c->pq, ignore_notice, NULL);
  step_taken(c, PGRES_POLLING_WRITING);
}

static void on_addresses(pml_names_ask *a) {
  pml__pg_conn *c = PML_CONTAINER(a, pml__pg_conn, ask);
  pml_writer addresses = {0}, hosts = {0};
  char ip[INET6_ADDRSTRLEN];
  if (a->rc) {
    lost(c, a->why);
    return;
  }
  for (uint32_t i = 0; i < a->n; i++) {
    uv_ip_name((const struct sockaddr *)&a->at[i], ip, sizeof ip);
    if (i) pml_writer_byte(&addresses, ',');
    if (i) pml_writer_byte(&hosts, ',');
    pml_writer_put(&addresses, ip, strlen(ip));
    pml_writer_put(&hosts, c->pg->host, strlen(c->pg->host));
  }
  pml_writer_byte(&addresses, 0);
  pml_writer_byte(&hosts, 0);
  /* What it reports may free the connection. */
  start(c, (const char *)pml_writer_at(&addresses, 0), (const char *)pml_writer_at(&hosts, 0));
  pml_writer_drop(&addresses);
  pml_writer_drop(&hosts);
}

void pml__pg_connect(pml_store_conn *b) {
  pml__pg_conn *c = C_OF(b);
  pml__pg *pg = c->pg;
  c->timeout_ms = pml__pg_timeout(pg->ms);
  if (pg->host[0] == '/') {
    start(c, NULL, pg->host);
    return;
  }
  c->ask.done = on_addresses;
  pml_names_ask_for(pg->names, &c->ask, pg->host, (uint16_t)atoi(pg->port), pg->connect_ms);
}

void pml__pg_close(pml_store_conn *b) {
  pml__pg_conn *c = C_OF(b);
  pml_store_pool *pool = b->pool;
  pml_names_cancel(&c->ask);
  pml_task_cancel(&c->task);
  pml__pg_cancel_forget(c->cancel);
  poll_close(c);
  if (c->pq) c->pg->f.PQfinish(c->pq);
  pml__pg_params_drop(&c->params);
  pml_free(c);
  pml_store_pool_gone(pool);
}
