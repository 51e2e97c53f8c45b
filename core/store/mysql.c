#include "store/mysql.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/mysql_session.h"

#include <stdio.h>

typedef struct {
  pml__mysql lib;
  pml_mysql_options o; /* its texts are those of `example` */
  pml__mysql_desk *example;
  uint32_t ms;
  size_t max_bytes;
} database;

typedef struct {
  pml_store_conn base;
  database *of;
  pml_workers *worker;   /* one thread */
  pml__mysql_desk *desk; /* NULL: abandoned */
  int busy;              /* the thread has the desk */
  pml_task gone;         /* reports that the connection is lost, at the end of the turn */
} conn;

static conn *conn_of(pml_store_conn *c) { return PML_CONTAINER(c, conn, base); }
static pml__mysql_desk *desk_of(pml_job *j) { return PML_CONTAINER(j, pml__mysql_desk, job); }

static void do_job(pml_job *j) { pml__mysql_work(desk_of(j)); }
static void drop_job(pml_job *j) { pml__mysql_desk_free(desk_of(j)); }

static void report_gone(pml_task *t) {
  conn *c = PML_CONTAINER(t, conn, gone);
  pml_store_conn_lost(&c->base, "a statement was ended");
}

/* --- reports --------------------------------------------------------------------------------- */

/* What came of a call, from the desk into it. */
static void give(pml__mysql_desk *d, pml_store_call *call) {
  call->rc = d->rc;
  memcpy(call->state, d->state, sizeof call->state);
  if (d->rc) call->message = pml_buf_from(d->message, strlen(d->message));
  call->columns = d->columns;
  call->rows = d->rows;
  pml_data_drop(&call->values);
  call->values = d->values;
  d->values = (pml_data){0};
}

static void done(pml_job *j) {
  pml__mysql_desk *d = desk_of(j);
  conn *c = d->owner;
  c->busy = 0;
  pml_buf_unref(d->text);
  d->text = NULL;
  pml_data_drop(&d->params);
  /* The size of an answer that ended its connection is the call's error, not the connection's. */
  if (d->lost && !(d->what == PML__MYSQL_RUN && d->rc == PML_ETOOBIG)) {
    pml_store_conn_lost(&c->base, d->message);
  } else if (d->what == PML__MYSQL_RUN) {
    int dirty = d->dirty || d->lost;
    d->stuck |= d->lost;
    give(d, c->base.call);
    pml_store_conn_answered(&c->base, dirty);
  } else {
    pml_store_conn_ready(&c->base);
  }
}

static void start(conn *c, pml__mysql_what what) {
  c->desk->what = what;
  c->busy = 1;
  if (pml_workers_submit(c->worker, &c->desk->job) == 0) return;
  c->busy = 0;
  pml_store_conn_lost(&c->base, "the system gives no thread for it");
}

/* --- what the pool asks for ------------------------------------------------------------------ */

static pml_store_conn *mysql_make(void *ud) {
  database *of = ud;
  conn *c = pml_alloc0(sizeof *c);
  c->of = of;
  c->desk = pml__mysql_desk_new(&of->lib, &of->o, of->ms, of->max_bytes);
  c->desk->owner = c;
  c->desk->job = (pml_job){.work = do_job, .done = done, .drop = drop_job};
  pml_task_init(&c->gone, report_gone);
  return &c->base;
}

static void mysql_connect(pml_store_conn *base) {
  conn *c = conn_of(base);
  c->worker = pml_workers_new(pml_store_pool_loop(base->pool), 1, 1);
  if (c->worker) start(c, PML__MYSQL_CONNECT);
  else pml_store_conn_lost(base, "the system gives nothing to wake the loop by");
}

static void mysql_run(pml_store_conn *base) {
  conn *c = conn_of(base);
  pml_store_call *call = base->call;
  pml__mysql_desk *d = c->desk;
  d->op = call->op;
  d->text = pml_buf_ref(call->text);
  pml_data_append(&d->params, &call->params);
  d->in_tx = call->tx != 0 || call->op == PML_STORE_BEGIN;
  d->call_ms = call->ms;
  d->max_rows = pml_store_max_rows(call);
  start(c, PML__MYSQL_RUN);
}

/* The thread has the desk, and keeps it: it comes back from its call, and frees it. */
static void abandon(conn *c) {
  pml__mysql_desk *d = c->desk;
  c->desk = NULL;
  pml__mysql_desk_shut(d);
  if (pml_workers_forget(c->worker, &d->job)) {
    d->what = PML__MYSQL_QUIT; /* it was not begun */
    pml_workers_finish(c->worker, &d->job);
  } else {
    pml_workers_close(c->worker);
  }
  c->worker = NULL;
}

static void mysql_clean(pml_store_conn *base) {
  conn *c = conn_of(base);
  int stuck = c->busy || c->desk->stuck;
  if (c->busy) abandon(c);
  c->busy = 0;
  if (stuck) pml_loop_defer(pml_store_pool_loop(base->pool), &c->gone);
  else start(c, PML__MYSQL_CLEAN);
}

static void mysql_close_conn(pml_store_conn *base) {
  conn *c = conn_of(base);
  pml_store_pool *pool = base->pool;
  pml_task_cancel(&c->gone);
  if (c->busy) {
    abandon(c);
  } else if (c->desk && c->worker) {
    c->desk->what = PML__MYSQL_QUIT; /* its farewell may wait for the network */
    pml_workers_finish(c->worker, &c->desk->job);
  } else {
    if (c->desk) pml__mysql_desk_free(c->desk);
    pml_workers_close(c->worker);
  }
  pml_free(c);
  pml_store_pool_gone(pool);
}

static void mysql_free(void *ud) {
  database *of = ud;
  pml__mysql_desk_free(of->example);
  pml_free(of);
}

static const pml_store_pool_driver driver = {
  "mysql", mysql_make, mysql_connect, mysql_run, mysql_clean, mysql_close_conn, mysql_free,
};

/* --- opening --------------------------------------------------------------------------------- */

/* A desk that never connects keeps the texts of the options. */
static void keep_options(database *of, const pml_mysql_options *o) {
  of->o = *o;
  if (!of->o.pool.connections) of->o.pool = PML_STORE_POOL_OPTIONS;
  of->example = pml__mysql_desk_new(&of->lib, &of->o, of->ms, of->max_bytes);
  of->o.host = of->example->host;
  of->o.user = of->example->user;
  of->o.password = of->example->password;
  of->o.database = of->example->database;
  of->o.ca = of->example->ca;
}

pml_store *pml_mysql_open(pml_loop *l, const pml_mysql_options *o, const pml_store_limits *limits,
                          char *err, size_t nerr) {
  pml__mysql lib;
  if (pml_loop_is_virtual(l)) {
    snprintf(err, nerr,
             "a database of kind mysql needs a running server: no loop waits for it here");
    return NULL;
  }
  if (pml__mysql_load(&lib, err, nerr)) return NULL;
  database *of = pml_alloc0(sizeof *of);
  of->lib = lib;
  of->ms = (limits ? *limits : PML_STORE_LIMITS).ms;
  of->max_bytes = (limits ? *limits : PML_STORE_LIMITS).max_bytes;
  keep_options(of, o);
  return pml_store_pool_open(l, &driver, of, &of->o.pool, limits);
}
