#include "store/sqlite_line.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#include <string.h>

#define TOGETHER 64  /* statements in one transaction */
#define READS 16     /* reads that are answered together */
#define QUICK_US 100 /* what such a read took the last time, at most */

void pml__sqlite_line_init(pml__sqlite_line *l, const pml__sqlite *lib, const char *path) {
  *l = (pml__sqlite_line){.lib = *lib};
  pthread_mutex_init(&l->lock, NULL);
  pthread_mutex_init(&l->opening, NULL);
  l->path = pml_strdup(path);
  l->memory = strcmp(path, ":memory:") == 0;
  pml_list_init(&l->writes);
  pml_list_init(&l->reads);
  pml_list_init(&l->in_tx);
}

void pml__sqlite_line_clear(pml__sqlite_line *l) {
  pml__sqlite_conn_close(l->writer);
  pthread_mutex_destroy(&l->lock);
  pthread_mutex_destroy(&l->opening);
  pml_free(l->path);
}

void pml__sqlite_job_free(pml__sqlite_job *j) {
  pml_buf_unref(j->text);
  pml_data_drop(&j->params);
  pml__sqlite_result_drop(&j->r);
  pml_free(j);
}

uint64_t pml__sqlite_line_client(pml__sqlite_line *l) { return ++l->clients; }

int pml__sqlite_line_add(pml__sqlite_line *l, pml__sqlite_job *j) {
  int read = j->op == PML_STORE_QUERY && !j->tx && !l->memory;
  j->waits = 1;
  pml_list_append(j->tx ? &l->in_tx : read ? &l->reads : &l->writes, &j->node);
  return read;
}

void pml__sqlite_line_end_tx(pml__sqlite_line *l, uint64_t client, uint64_t tx) {
  if (l->tx && l->tx_client == client && (tx == 0 || tx == l->tx)) l->tx_over = 1;
}

/* From a list of the line, with the lock held. */
static pml__sqlite_job *pop(pml_list *list) {
  pml_list *n = pml_list_pop(list);
  if (!n) return NULL;
  pml__sqlite_job *j = PML_CONTAINER(n, pml__sqlite_job, node);
  j->waits = 0;
  return j;
}

static pml__sqlite_job *job_of(pml_list *n) { return PML_CONTAINER(n, pml__sqlite_job, node); }

static int is_plain(const pml__sqlite_job *j) {
  return j->op == PML_STORE_EXEC || j->op == PML_STORE_QUERY;
}

/* --- without the lock ------------------------------------------------------------------------ */

static int open_if_needed(pml__sqlite_line *l, pml__sqlite_conn **c, pml__sqlite_role role,
                          pml__sqlite_result *r) {
  if (*c) return 0;
  pthread_mutex_lock(&l->opening);
  *c = pml__sqlite_conn_open(&l->lib, l->path, role, r);
  pthread_mutex_unlock(&l->opening);
  if (*c) atomic_fetch_add(&l->open, 1);
  return r->rc;
}

static int run(pml__sqlite_conn *c, pml__sqlite_job *j) {
  pml_slice text = pml_buf_slice(j->text);
  if (atomic_load(&j->stop)) {
    pml__sqlite_result_fail(&j->r, PML_ECLOSED, "", "the call was cancelled");
    return j->r.rc;
  }
  if (j->op == PML_STORE_SCRIPT) return pml__sqlite_conn_script(c, text, &j->bounds, &j->r);
  return pml__sqlite_conn_run(c, text, &j->params, j->op == PML_STORE_QUERY, &j->bounds, &j->r);
}

static int step(pml__sqlite_line *l, pml__sqlite_step which, const pml__sqlite_bounds *b,
                pml__sqlite_result *r) {
  static const pml__sqlite_bounds none = {0};
  return pml__sqlite_conn_step(l->writer, which, b ? b : &none, r);
}

static void roll_back(pml__sqlite_line *l) {
  pml__sqlite_result r = {0};
  if (l->writer && pml__sqlite_conn_in_tx(l->writer)) step(l, PML__SQLITE_ROLLBACK, NULL, &r);
  pml__sqlite_result_drop(&r);
}

/* A copy of a failure for another job. */
static void fail_as(pml__sqlite_job *j, const pml__sqlite_result *r) {
  pml_slice m = pml_buf_slice(r->message);
  pml__sqlite_result_fail(&j->r, r->rc, r->state, "%.*s", (int)m.n, (const char *)m.p);
}

static void fail_all(pml_list *jobs, const pml__sqlite_result *r) {
  for (pml_list *n = jobs->next; n != jobs; n = n->next)
    if (!job_of(n)->r.rc) fail_as(job_of(n), r);
}

/* Each job without an error by itself; SQLite begins and ends its transaction. */
static void one_by_one(pml__sqlite_line *l, pml_list *jobs) {
  for (pml_list *n = jobs->next; n != jobs; n = n->next) {
    pml__sqlite_job *j = job_of(n);
    if (j->r.rc) continue;
    pml__sqlite_result_drop(&j->r);
    run(l->writer, j);
  }
}

/* One job as if it were alone. A deferred foreign key is checked by COMMIT, which would fail for
 * all. */
static int run_whole(pml__sqlite_line *l, pml__sqlite_job *j) {
  if (run(l->writer, j) == 0 && pml__sqlite_conn_breaks_key(l->writer))
    pml__sqlite_result_fail(&j->r, PML_EIO, "23503", "FOREIGN KEY constraint failed");
  return j->r.rc;
}

/* One job under a savepoint. PML_ECLOSED: its error has ended the transaction. */
static int run_in_batch(pml__sqlite_line *l, pml__sqlite_job *j) {
  pml__sqlite_result r = {0};
  if (step(l, PML__SQLITE_SAVEPOINT, NULL, &r) != 0) {
    fail_as(j, &r);
  } else if (run_whole(l, j) == 0) {
    if (step(l, PML__SQLITE_RELEASE, NULL, &r) != 0) fail_as(j, &r);
  } else if (pml__sqlite_conn_in_tx(l->writer)) {
    step(l, PML__SQLITE_BACK, NULL, &r);
  }
  pml__sqlite_result_drop(&r);
  return pml__sqlite_conn_in_tx(l->writer) ? 0 : PML_ECLOSED;
}

/* Several jobs in one transaction. Nothing was answered before its end: when an error of one (its
 * interruption, a full disk) ends the transaction, the others are done again, one by one. */
static void together(pml__sqlite_line *l, pml_list *jobs) {
  pml__sqlite_result r = {0};
  int rc = step(l, PML__SQLITE_BEGIN, NULL, &r);
  if (rc) fail_all(jobs, &r);
  for (pml_list *n = jobs->next; !rc && n != jobs; n = n->next) rc = run_in_batch(l, job_of(n));
  if (!rc && step(l, PML__SQLITE_COMMIT, NULL, &r) != 0) {
    fail_all(jobs, &r);
    roll_back(l);
  }
  if (rc == PML_ECLOSED) one_by_one(l, jobs);
  pml__sqlite_result_drop(&r);
}

static void script(pml__sqlite_line *l, pml__sqlite_job *j) {
  if (step(l, PML__SQLITE_BEGIN, &j->bounds, &j->r) != 0) return;
  if (run(l->writer, j) == 0) step(l, PML__SQLITE_COMMIT, NULL, &j->r);
  roll_back(l); /* when it is open still */
}

/* Gives each job to its client, those of one client that stand together in one go. */
static void answer(pml_list *jobs) {
  while (!pml_list_empty(jobs)) {
    pml__sqlite_job *first = job_of(pml_list_pop(jobs)), *last = first;
    while (!pml_list_empty(jobs) && job_of(jobs->next)->to == first->to) {
      pml__sqlite_job *next = job_of(pml_list_pop(jobs));
      last->mail.next = &next->mail;
      last = next;
    }
    last->mail.next = NULL;
    first->done(first);
  }
}

/* --- the writer ------------------------------------------------------------------------------ */

/* Plain statements from the front of the line. */
static void take_plain(pml__sqlite_line *l, pml_list *jobs) {
  for (int i = 0; i < TOGETHER; i++) {
    if (pml_list_empty(&l->writes) || !is_plain(job_of(l->writes.next))) return;
    pml_list_append(jobs, &pop(&l->writes)->node);
  }
}

static void do_plain(pml__sqlite_line *l, pml_list *jobs) {
  pml__sqlite_result r = {0};
  if (open_if_needed(l, &l->writer, PML__SQLITE_WRITER, &r) != 0) fail_all(jobs, &r);
  else if (jobs->next->next == jobs) one_by_one(l, jobs);
  else together(l, jobs);
  pml__sqlite_result_drop(&r);
  answer(jobs);
}

/* With the lock held again: the transaction is open, and its client hears of it. */
static void begun(pml__sqlite_line *l, pml__sqlite_job *j) {
  l->tx = j->tx = ++l->last_tx;
  l->tx_client = j->client;
  l->tx_ms = j->tx_ms;
  l->tx_due = l->tx_ms ? pml_clock_us() + (uint64_t)l->tx_ms * 1000 : 0;
  l->tx_over = 0;
}

static void do_alone(pml__sqlite_line *l, pml__sqlite_job *j) {
  uint64_t client = j->client;
  pthread_mutex_unlock(&l->lock);
  int begin = j->op == PML_STORE_BEGIN;
  if (open_if_needed(l, &l->writer, PML__SQLITE_WRITER, &j->r) == 0) {
    if (begin) step(l, PML__SQLITE_BEGIN, &j->bounds, &j->r);
    else script(l, j);
  }
  pthread_mutex_lock(&l->lock);
  begin = begin && !j->r.rc;
  if (begin) begun(l, j);
  pthread_mutex_unlock(&l->lock);
  j->mail.next = NULL;
  int rc = j->done(j);
  pthread_mutex_lock(&l->lock);
  if (begin && rc) pml__sqlite_line_end_tx(l, client, 0);
}

/* --- the transaction that holds the writer --------------------------------------------------- */

static int is_late(const pml__sqlite_line *l) { return l->tx_due && pml_clock_us() >= l->tx_due; }

static void say_late(pml__sqlite_job *j, uint32_t ms) {
  pml__sqlite_result_fail(&j->r, PML_ETIMEOUT, "",
                          "the transaction was rolled back: it had held the database for %u ms",
                          ms);
}

static void say_ended(const pml__sqlite_line *l, pml__sqlite_job *j) {
  for (int i = 0; i < PML__SQLITE_LATE; i++) {
    if (l->late[i].tx != j->tx) continue;
    say_late(j, l->late[i].ms);
    return;
  }
  pml__sqlite_result_fail(&j->r, PML_ECLOSED, "", "the transaction has ended");
}

/* Jobs of transactions that are not open. The lock is held. */
static void answer_ended(pml__sqlite_line *l) {
  pml_list jobs;
  pml_list_init(&jobs);
  for (pml_list *n = l->in_tx.next, *next; n != &l->in_tx; n = next) {
    next = n->next;
    pml__sqlite_job *j = job_of(n);
    if (j->tx == l->tx) continue;
    pml_list_remove(n);
    j->waits = 0;
    say_ended(l, j);
    pml_list_append(&jobs, n);
  }
  if (pml_list_empty(&jobs)) return;
  pthread_mutex_unlock(&l->lock);
  answer(&jobs);
  pthread_mutex_lock(&l->lock);
}

static void end_tx(pml__sqlite_line *l) {
  if (!l->tx_over && is_late(l))
    l->late[l->late_count++ % PML__SQLITE_LATE] = (pml__sqlite_late){l->tx, l->tx_ms};
  pthread_mutex_unlock(&l->lock);
  roll_back(l);
  pthread_mutex_lock(&l->lock);
  l->tx = 0;
  l->tx_over = 0;
  answer_ended(l);
}

/* A statement of the transaction, or its end. Returns whether it has ended. */
static int run_in_tx(pml__sqlite_line *l, pml__sqlite_job *j) {
  if (j->op == PML_STORE_ROLLBACK) {
    roll_back(l);
    return 1;
  }
  if (!pml__sqlite_conn_in_tx(l->writer)) {
    pml__sqlite_result_fail(&j->r, PML_EIO, "25P02", "an error has ended the transaction already");
    return j->op == PML_STORE_COMMIT;
  }
  if (j->op == PML_STORE_COMMIT) {
    if (step(l, PML__SQLITE_COMMIT, NULL, &j->r) != 0) roll_back(l);
    return 1;
  }
  if (l->tx_due && l->tx_due < j->bounds.due) j->bounds.due = l->tx_due;
  if (run(l->writer, j) != 0 && is_late(l)) say_late(j, l->tx_ms);
  return 0;
}

static void do_in_tx(pml__sqlite_line *l, pml__sqlite_job *j) {
  pthread_mutex_unlock(&l->lock);
  int ended = run_in_tx(l, j);
  pthread_mutex_lock(&l->lock);
  if (ended) {
    l->tx = 0;
    l->tx_over = 0;
  }
  pthread_mutex_unlock(&l->lock);
  j->mail.next = NULL;
  j->done(j);
  pthread_mutex_lock(&l->lock);
}

int pml__sqlite_line_write(pml__sqlite_line *l, uint64_t *due) {
  *due = 0;
  pml__sqlite_job *j = pml_list_empty(&l->in_tx) ? NULL : job_of(l->in_tx.next);
  if (!(l->tx && l->tx_over) && !(j && j->tx != l->tx) && !(l->tx && is_late(l)) && !j &&
      (l->tx || pml_list_empty(&l->writes))) {
    *due = l->tx ? l->tx_due : 0;
    return 0;
  }
  atomic_fetch_add(&l->busy, 1);
  if (l->tx && (l->tx_over || is_late(l))) end_tx(l);
  else if (j && j->tx != l->tx) answer_ended(l);
  else if (j) do_in_tx(l, pop(&l->in_tx));
  else if (!is_plain(job_of(l->writes.next))) do_alone(l, pop(&l->writes));
  else {
    pml_list jobs;
    pml_list_init(&jobs);
    take_plain(l, &jobs);
    pthread_mutex_unlock(&l->lock);
    do_plain(l, &jobs);
    pthread_mutex_lock(&l->lock);
  }
  atomic_fetch_sub(&l->busy, 1);
  return 1;
}

/* --- a reader -------------------------------------------------------------------------------- */

/* One job, without the lock. 1: it writes, and is the writer's. */
static int read_one(pml__sqlite_line *l, pml__sqlite_conn **c, pml__sqlite_job *j, pml_list *done) {
  if (open_if_needed(l, c, PML__SQLITE_READER, &j->r) == 0) {
    /* Who has waited longer does not wait for a statement that may take its time. */
    if (!pml_list_empty(done) && !pml__sqlite_conn_is_quick(*c, pml_buf_slice(j->text), QUICK_US))
      answer(done);
    if (run(*c, j) == PML_EAGAIN) return 1;
  }
  pml_list_append(done, &j->node);
  return 0;
}

int pml__sqlite_line_read(pml__sqlite_line *l, pml__sqlite_conn **c) {
  pml__sqlite_job *j = pop(&l->reads);
  if (!j) return 0;
  int writes = 0;
  pml_list done;
  pml_list_init(&done);
  atomic_fetch_add(&l->busy, 1);
  for (int i = 0; i < READS && j; i++) {
    pthread_mutex_unlock(&l->lock);
    int rc = read_one(l, c, j, &done);
    pthread_mutex_lock(&l->lock);
    if (rc) {
      j->waits = 1;
      pml_list_append(&l->writes, &j->node);
    }
    writes |= rc;
    j = i + 1 < READS ? pop(&l->reads) : NULL;
  }
  atomic_fetch_sub(&l->busy, 1);
  pthread_mutex_unlock(&l->lock);
  answer(&done);
  pthread_mutex_lock(&l->lock);
  return writes ? 2 : 1;
}
