#include "store/sqlite.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite_file.h"
#include "store/sqlite_near.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* One store. Its jobs come back by its mailbox, or at the end of the turn when there is no thread.
 */
typedef struct {
  pml_loop *loop;
  pml__sqlite_line *line; /* of the file, or owned when there is none */
  uint64_t number;        /* of this client of the line */
  uint32_t tx_ms;         /* of its transactions; 0: any time */
  pml__sqlite_file *file; /* NULL: at once */
  pml_mailbox *box;       /* owned; NULL: at once */
  pml__sqlite_near *near; /* owned; NULL: at once */
  pml__sqlite_conn *reader;
  pml_list fresh; /* jobs of this turn, which go to the file at its end */
  pml_task hand_over;
  pml_list ready;
  pml_task task;
  int giving; /* answers are given: the client is freed afterwards */
  int closed;
} client;

static void end_tx(client *c, uint64_t tx) {
  if (c->file) {
    pml__sqlite_file_end_tx(c->file, c->number, tx);
    return;
  }
  pthread_mutex_lock(&c->line->lock);
  pml__sqlite_line_end_tx(c->line, c->number, tx);
  pthread_mutex_unlock(&c->line->lock);
}

_Static_assert(sizeof((pml_store_call *)0)->state == sizeof((pml__sqlite_result *)0)->state, "");

/* The call gets the answer, and what it owns. */
static void fill(pml_store_call *call, pml__sqlite_result *r) {
  call->rc = r->rc;
  memcpy(call->state, r->state, sizeof call->state);
  call->message = r->message;
  call->columns = r->columns;
  call->values = r->values;
  call->rows = r->rows;
  *r = (pml__sqlite_result){0};
}

static int may_be_near(const client *c, const pml_store_call *call) {
  return c->near && call->op == PML_STORE_QUERY && !call->tx;
}

/* The job's call, if it still waits, gets the answer. */
static void deliver(client *c, pml__sqlite_job *j) {
  pml_store_call *call = j->call;
  if (call) {
    if (may_be_near(c, call) && !j->r.rc)
      pml__sqlite_near_learn(c->near, pml_buf_slice(j->text), j->r.us);
    fill(call, &j->r);
    if (j->op == PML_STORE_BEGIN) call->tx = j->tx;
  } else if (j->op == PML_STORE_BEGIN && !j->r.rc) {
    end_tx(c, j->tx); /* nobody has its transaction */
  }
  pml__sqlite_job_free(j);
  if (call) pml_store_answer(call);
}

/* --- with threads ---------------------------------------------------------------------------- */

static pml__sqlite_job *job_of(pml_mail *m) { return PML_CONTAINER(m, pml__sqlite_job, mail); }

/* Each job holds a reference to the mailbox. */
static int jobs_posted(pml__sqlite_job *first) {
  pml_mailbox *box = first->to;
  int n = 0;
  for (pml_mail *m = &first->mail; m; m = m->next) n++;
  int rc = pml_mailbox_post(box, &first->mail);
  for (pml_mail *m = rc ? &first->mail : NULL, *next; m; m = next) {
    next = m->next;
    pml__sqlite_job_free(job_of(m));
  }
  while (n--) pml_mailbox_unref(box);
  return rc ? PML_ECLOSED : 0;
}

static void on_hand_over(pml_task *t) {
  client *c = PML_CONTAINER(t, client, hand_over);
  for (pml_list *n = c->fresh.next; n != &c->fresh; n = n->next)
    PML_CONTAINER(n, pml__sqlite_job, node)->fresh = 0;
  pml__sqlite_file_add(c->file, &c->fresh);
}

static void on_mail(pml_mail *m, void *ud) { deliver(ud, job_of(m)); }

static void on_drop(pml_mail *m, void *ud) {
  (void)ud;
  pml__sqlite_job_free(job_of(m));
}

/* --- at once --------------------------------------------------------------------------------- */

static int jobs_ready(pml__sqlite_job *first) {
  client *c = first->to;
  for (pml_mail *m = &first->mail; m; m = m->next) pml_list_append(&c->ready, &job_of(m)->node);
  pml_loop_defer(c->loop, &c->task);
  return 0;
}

/* Does all that can be done. */
static void pump(client *c) {
  uint64_t due;
  pthread_mutex_lock(&c->line->lock);
  while (pml__sqlite_line_read(c->line, &c->reader) || pml__sqlite_line_write(c->line, &due)) {}
  pthread_mutex_unlock(&c->line->lock);
}

static void free_at_once(client *c) {
  for (pml_list *n; (n = pml_list_pop(&c->ready));)
    pml__sqlite_job_free(PML_CONTAINER(n, pml__sqlite_job, node));
  pml__sqlite_conn_close(c->reader);
  pml__sqlite_line_clear(c->line);
  pml_free(c->line);
  pml_free(c);
}

static void on_task(pml_task *t) {
  client *c = PML_CONTAINER(t, client, task);
  pml_list jobs;
  pml_list_move(&jobs, &c->ready);
  c->giving = 1;
  while (!pml_list_empty(&jobs))
    deliver(c, PML_CONTAINER(pml_list_pop(&jobs), pml__sqlite_job, node));
  c->giving = 0;
  if (c->closed) free_at_once(c);
}

/* --- the driver ------------------------------------------------------------------------------ */

static pml__sqlite_job *job_new(client *c, pml_store_call *call) {
  pml__sqlite_job *j = pml_alloc0(sizeof *j);
  j->op = call->op;
  j->text = pml_buf_ref(call->text);
  j->params = call->params;
  call->params = (pml_data){0};
  j->tx = call->tx;
  j->client = c->number;
  j->tx_ms = c->tx_ms;
  j->bounds = (pml__sqlite_bounds){
    .max_rows = pml_store_max_rows(call),
    .max_bytes = pml_store_max_bytes(call),
    .due = pml_clock_us() + (uint64_t)pml_store_left(call) * 1000,
    .stop = &j->stop,
    .in_tx = call->tx || call->op == PML_STORE_SCRIPT,
  };
  j->call = call;
  call->driver = j;
  return j;
}

static int now(void *self, pml_slice text, pml_store_call *call) {
  client *c = self;
  if (!may_be_near(c, call)) return 0;
  pml__sqlite_result r = {.values = call->values};
  call->values = (pml_data){0};
  pml__sqlite_bounds b = {.max_rows = pml_store_max_rows(call),
                          .max_bytes = pml_store_max_bytes(call)};
  int is = pml__sqlite_near_run(c->near, text, &call->params, &b, &r);
  if (is) fill(call, &r);
  else call->values = r.values;
  return is;
}

static void submit(void *self, pml_store_call *call) {
  client *c = self;
  if (call->op == PML_STORE_COMMAND || call->op == PML_STORE_REQUEST) {
    pml_store_fail(call, PML_EINVAL, "a database takes statements");
    return;
  }
  if (now(c, pml_buf_slice(call->text), call)) {
    pml_store_answer(call);
    return;
  }
  pml__sqlite_job *j = job_new(c, call);
  if (c->file) {
    j->done = jobs_posted;
    j->to = pml_mailbox_ref(c->box);
    j->fresh = 1;
    pml_list_append(&c->fresh, &j->node);
    pml_loop_defer(c->loop, &c->hand_over);
    return;
  }
  j->done = jobs_ready;
  j->to = c;
  pthread_mutex_lock(&c->line->lock);
  pml__sqlite_line_add(c->line, j);
  pthread_mutex_unlock(&c->line->lock);
  pump(c);
}

static void release(void *self, uint64_t tx) {
  client *c = self;
  end_tx(c, tx);
  if (!c->file) pump(c);
}

/* A call that has not begun at its deadline has waited for the others: BUSY. Without one of its
 * statements a transaction is not what its owner means. */
static void cancel(void *self, pml_store_call *call) {
  client *c = self;
  pml__sqlite_job *j = call->driver;
  uint64_t tx = j->op == PML_STORE_BEGIN ? 0 : j->tx;
  j->call = NULL;
  atomic_store(&j->stop, 1);
  pthread_mutex_lock(&c->line->lock);
  int waits = j->waits || j->fresh;
  if (waits) pml_list_remove(&j->node);
  pthread_mutex_unlock(&c->line->lock);
  if (waits) {
    if (c->file) pml_mailbox_unref(j->to);
    pml__sqlite_job_free(j);
    call->rc = PML_EFULL;
  }
  if (tx) release(c, tx);
}

static void connections(void *self, uint32_t *open, uint32_t *busy) {
  client *c = self;
  *open = atomic_load(&c->line->open);
  *busy = atomic_load(&c->line->busy);
}

static void close_store(void *self, void (*closed)(void *ud), void *ud) {
  client *c = self;
  release(c, 0);
  if (c->file) {
    pml_task_cancel(&c->hand_over);
    pml_mailbox_close(c->box, on_drop, NULL);
    pml_mailbox_unref(c->box);
    pml__sqlite_near_free(c->near);
    pml__sqlite_file_leave(c->file);
    pml_free(c);
  } else {
    pml_task_cancel(&c->task);
    c->closed = 1;
    if (!c->giving) free_at_once(c);
  }
  if (closed) closed(ud);
}

static const pml_store_driver driver = {"sqlite",    submit,      cancel, release,
                                        connections, close_store, NULL,   now};

static int open_threads(client *c, const pml_sqlite_options *o, char *err, size_t nerr) {
  c->file = pml__sqlite_file_open(o->files, o->file, err, nerr);
  if (!c->file) return PML_ENOENT;
  c->line = pml__sqlite_file_line(c->file);
  c->tx_ms = o->tx_ms;
  c->box = pml_mailbox_new(c->loop, 256, SIZE_MAX, on_mail, c);
  if (c->box) {
    c->near = pml__sqlite_near_new(c->loop, c->line);
    return 0;
  }
  pml__sqlite_file_leave(c->file);
  snprintf(err, nerr, "%s: the event loop takes no mailbox", o->file);
  return PML_EIO;
}

static int open_at_once(client *c, const pml_sqlite_options *o, char *err, size_t nerr) {
  pml__sqlite lib;
  if (pml__sqlite_load(&lib, err, nerr) != 0) return PML_ENOENT;
  c->line = pml_alloc(sizeof *c->line);
  pml__sqlite_line_init(c->line, &lib, o->file);
  return 0;
}

pml_store *pml_sqlite_open(pml_loop *l, const pml_sqlite_options *o, const pml_store_limits *limits,
                           char *err, size_t nerr) {
  client *c = pml_alloc0(sizeof *c);
  c->loop = l;
  pml_list_init(&c->ready);
  pml_list_init(&c->fresh);
  pml_task_init(&c->hand_over, on_hand_over);
  pml_task_init(&c->task, on_task);
  int at_once = o->at_once || pml_loop_is_virtual(l);
  if ((at_once ? open_at_once : open_threads)(c, o, err, nerr) != 0) {
    pml_free(c);
    return NULL;
  }
  pthread_mutex_lock(&c->line->lock);
  c->number = pml__sqlite_line_client(c->line);
  pthread_mutex_unlock(&c->line->lock);
  return pml_store_new(l, &driver, c, limits);
}
