/* postgres_run: statements on a connection: sent, their results taken as they come, ended when
 * nobody waits for them any more. */
#include "base/container.h"
#include "base/err.h"
#include "store/postgres_lines.h"
#include "store/postgres_private.h"

#include <stdio.h>
#include <string.h>

#define C_OF(b) PML_CONTAINER(b, pml__pg_conn, base)

static void on_io(uv_poll_t *h, int status, int events);

static int alive(pml__pg_conn *c) { return c->pg->f.PQstatus(c->pq) == CONNECTION_OK; }

/* Sends what libpq still holds; while it cannot, the socket is watched for both ways, since the
 * server may wait for us to read. 0, or it reports lost. */
static int flush(pml__pg_conn *c) {
  int rc = c->pg->f.PQflush(c->pq);
  if (rc < 0) {
    pml__pg_lost(c);
    return rc;
  }
  if (rc == c->writing) return 0;
  c->writing = rc;
  return pml__pg_watch(c, UV_READABLE | (rc ? UV_WRITABLE : 0), on_io);
}

/* The call's answer is an error before anything was sent, or the connection is broken. */
static void not_sent(pml__pg_conn *c) {
  if (!alive(c)) {
    pml__pg_lost(c);
    return;
  }
  const char *why = c->pg->f.PQerrorMessage(c->pq);
  pml_store_error(c->base.call, PML_EINVAL, "%.*s", (int)strcspn(why, "\n"), why);
  c->work = PML__PG_NOTHING;
  pml_store_conn_answered(&c->base, 0);
}

static int send_words(pml__pg_conn *c, const char *text) {
  return c->pg->f.PQsendQueryParams(c->pq, text, 0, NULL, NULL, NULL, NULL, 0);
}

static int send_params(pml__pg_conn *c) {
  const pml__pg_params *p = &c->params;
  return c->pg->f.PQsendQueryParams(c->pq, p->text, p->n, p->types, p->values, p->lengths,
                                    p->formats, 0) &&
         c->pg->f.PQsetSingleRowMode(c->pq);
}

static void send_statement(pml__pg_conn *c) {
  pml_store_call *call = c->base.call;
  int sent;
  c->work = PML__PG_STATEMENT;
  switch (call->op) {
  case PML_STORE_BEGIN:
    c->timeout_begun = c->timeout_ms;
    sent = send_words(c, "begin");
    break;
  case PML_STORE_COMMIT: sent = send_words(c, "commit"); break;
  case PML_STORE_ROLLBACK:
    c->timeout_ms = c->timeout_begun;
    sent = send_words(c, "rollback");
    break;
  case PML_STORE_SCRIPT: sent = c->pg->f.PQsendQuery(c->pq, c->params.text); break;
  default: sent = send_params(c);
  }
  if (sent) flush(c);
  else not_sent(c);
}

static void set_timeout(pml__pg_conn *c, uint32_t ms) {
  char text[64];
  snprintf(text, sizeof text, "set statement_timeout = %u", ms);
  c->timeout_asked = ms;
  c->work = PML__PG_TIMEOUT;
  if (send_words(c, text)) flush(c);
  else not_sent(c);
}

/* The text and the values of a call, for libpq. Scripts are migrations, which have connections of
 * their own, so that they may change them. */
static int take_text(pml__pg_conn *c, pml_store_call *call, char *why, size_t n) {
  pml_slice text = pml_buf_slice(call->text);
  const char *word = call->op == PML_STORE_SCRIPT ? NULL : pml__pg_lasting(text);
  if (!word) return pml__pg_params_set(&c->params, text, &call->params, why, n);
  snprintf(why, n, "%s would change the connection for the calls of others%s", word,
           strcmp(word, "SET") == 0 ? ": write SET LOCAL, in a transaction" : "");
  return PML_EINVAL;
}

void pml__pg_run(pml_store_conn *b) {
  pml__pg_conn *c = C_OF(b);
  pml_store_call *call = b->call;
  char why[200];
  if (call->text) {
    int rc = take_text(c, call, why, sizeof why);
    if (rc) {
      pml_store_error(call, rc, "%s", why);
      pml_store_conn_answered(b, 0);
      return;
    }
  }
  uint32_t ms = pml__pg_timeout(call->ms > c->pg->ms ? call->ms : c->pg->ms);
  if (call->text && ms != c->timeout_ms) set_timeout(c, ms);
  else send_statement(c);
}

/* Whether the connection is in a transaction when it should not be, or the reverse: a statement of
 * the game's was BEGIN or COMMIT. */
static int astray(pml__pg_conn *c, const pml_store_call *call) {
  int ends = call->op == PML_STORE_COMMIT || call->op == PML_STORE_ROLLBACK;
  int in = c->pg->f.PQtransactionStatus(c->pq) != PQTRANS_IDLE;
  return in != (call->op == PML_STORE_BEGIN || (call->tx && !ends));
}

/* Everything of the statement has come. */
static void finished(pml__pg_conn *c) {
  pml_store_call *call = c->base.call;
  pml__pg_work work = c->work;
  c->work = PML__PG_NOTHING;
  if (!alive(c)) {
    pml__pg_lost(c);
  } else if (c->cleaning) {
    pml_loop_defer(c->pg->loop, &c->task);
  } else if (work == PML__PG_TIMEOUT && !call->rc) {
    c->timeout_ms = c->timeout_asked;
    send_statement(c);
  } else if (!astray(c, call)) {
    pml_store_conn_answered(&c->base, 0);
  } else {
    if (!call->rc)
      pml_store_error(call, PML_EINVAL,
                      "the statement begins or ends a transaction: write "
                      "db:transaction(function(tx) ... end)");
    pml_store_conn_answered(&c->base, 1);
  }
}

/* A result has come; 1: the connection may be gone. */
static int take(pml__pg_conn *c, PGresult *r) {
  pml_store_call *call = c->base.call;
  ExecStatusType s = c->pg->f.PQresultStatus(r);
  int copy = s == PGRES_COPY_IN || s == PGRES_COPY_OUT || s == PGRES_COPY_BOTH;
  int early = call && !call->rc && pml__pg_take(&c->pg->f, r, call);
  c->pg->f.PQclear(r);
  if (copy) c->work = PML__PG_COPY;
  if (early) pml_store_conn_answered(&c->base, 1);
  else if (copy) pml_store_conn_lost(&c->base, "it is in a COPY");
  return early || copy;
}

/* Results that have come as a whole. `broken`: no more comes, and what there is says why. */
static void take_results(pml__pg_conn *c, int broken) {
  const pml__pq *f = &c->pg->f;
  while (c->work && c->work != PML__PG_COPY && (broken || !f->PQisBusy(c->pq))) {
    PGresult *r = f->PQgetResult(c->pq);
    if (!r) {
      finished(c);
      return;
    }
    if (take(c, r)) return;
  }
  if (broken) pml__pg_lost(c);
}

/* 0: the connection is broken. What TLS has decrypted and libpq had no room for makes no event of
 * the socket: a record has at most two such remainders. */
static int consume(pml__pg_conn *c) {
  const pml__pq *f = &c->pg->f;
  int ok = f->PQconsumeInput(c->pq);
  for (int i = 0; ok && i < 2 && f->PQsslInUse(c->pq) && f->PQisBusy(c->pq); i++)
    ok = f->PQconsumeInput(c->pq);
  return ok;
}

static void on_io(uv_poll_t *h, int status, int events) {
  pml__pg_conn *c = h->data;
  const pml__pq *f = &c->pg->f;
  PGnotify *n;
  int broken = status < 0;
  if (broken || events & UV_READABLE) broken = !consume(c);
  if (broken) uv_poll_stop(h);
  else if (c->writing && flush(c)) return;
  while ((n = f->PQnotifies(c->pq))) f->PQfreemem(n);
  take_results(c, broken);
}

static void send_cleaning(pml__pg_conn *c, const char *text) {
  c->work = PML__PG_CLEANING;
  if (send_words(c, text)) flush(c);
  else pml__pg_lost(c);
}

/* Once all that the connection waited for is over: its statement, and the thread that cancelled.
 * Advisory locks of the session outlive a ROLLBACK. */
static void clean_step(pml__pg_conn *c) {
  if (!c->cleaning || c->work || c->cancel) return;
  switch (c->pg->f.PQtransactionStatus(c->pq)) {
  case PQTRANS_IDLE:
    if (c->unlocked) {
      c->cleaning = 0;
      pml_store_conn_ready(&c->base);
    } else {
      c->unlocked = 1;
      send_cleaning(c, "select pg_advisory_unlock_all()");
    }
    break;
  case PQTRANS_INTRANS:
  case PQTRANS_INERROR:
    c->timeout_ms = c->timeout_begun;
    send_cleaning(c, "rollback");
    break;
  default: pml__pg_lost(c);
  }
}

static void on_task(pml_task *t) {
  pml__pg_conn *c = PML_CONTAINER(t, pml__pg_conn, task);
  if (c->work == PML__PG_COPY) pml_store_conn_lost(&c->base, "it is in a COPY");
  else clean_step(c);
}

void pml__pg_clean(pml_store_conn *b) {
  pml__pg_conn *c = C_OF(b);
  c->cleaning = 1;
  c->unlocked = 0;
  if (c->work == PML__PG_TIMEOUT) c->timeout_ms = 0;
  if (c->work && c->work != PML__PG_COPY) pml__pg_cancel_start(c, clean_step);
  else pml_loop_defer(c->pg->loop, &c->task);
}

void pml__pg_begin(pml__pg_conn *c) {
  c->pg->f.PQsetnonblocking(c->pq, 1);
  pml_task_init(&c->task, on_task);
  if (pml__pg_watch(c, UV_READABLE, on_io)) return;
  pml_store_conn_ready(&c->base);
}
