/* postgres_cancel: asks the server to end a statement, from a thread: PQcancel opens a connection
 * of its own and waits until the server closes it, for a frozen server without end.
 *
 * The connection is used again only after that has ended: until then the request may still reach
 * whatever statement the connection runs. A connection that is closed meanwhile leaves the request
 * behind, which knows nothing of it. */
#include "base/container.h"
#include "base/mem.h"
#include "loop/workers.h"
#include "store/postgres_private.h"

struct pml__pg_cancel {
  pml_job job;
  pml__pq f;
  PGcancel *request;
  pml_workers *workers; /* borrowed: they outlive the connections */
  void (*ended)(pml__pg_conn *c);
  pml__pg_conn *c;
};

static pml__pg_cancel *of(pml_job *j) { return PML_CONTAINER(j, pml__pg_cancel, job); }

static void drop(pml_job *j) {
  pml__pg_cancel *k = of(j);
  k->f.PQfreeCancel(k->request);
  pml_free(k);
}

static void work(pml_job *j) {
  char err[256]; /* a statement that does not end is noticed otherwise */
  of(j)->f.PQcancel(of(j)->request, err, sizeof err);
}

static void done(pml_job *j) {
  pml__pg_conn *c = of(j)->c;
  void (*ended)(pml__pg_conn * c) = of(j)->ended;
  c->cancel = NULL;
  drop(j);
  ended(c);
}

void pml__pg_cancel_start(pml__pg_conn *c, void (*ended)(pml__pg_conn *c)) {
  PGcancel *request = c->pg->f.PQgetCancel(c->pq);
  if (!request) return;
  pml__pg_cancel *k = pml_alloc0(sizeof *k);
  k->job = (pml_job){.work = work, .done = done, .drop = drop};
  k->f = c->pg->f;
  k->request = request;
  k->workers = c->pg->workers;
  k->ended = ended;
  k->c = c;
  /* Otherwise statement_timeout, or the pool's patience, ends it. */
  if (pml_workers_submit(k->workers, &k->job)) drop(&k->job);
  else c->cancel = k;
}

void pml__pg_cancel_forget(pml__pg_cancel *k) {
  if (k && pml_workers_forget(k->workers, &k->job)) drop(&k->job);
}
