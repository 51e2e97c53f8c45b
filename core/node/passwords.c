#include "node/passwords.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/workers.h"
#include "node/state.h"

const pml_counter pml__passwords_counters[] = {
  PML_NODE_COUNTER("passwords", passwords.done),
  PML_NODE_COUNTER("passwordsRefused", passwords.refused),
  PML_NODE_COUNTER("passwordsLate", passwords.timeouts),
  {NULL, 0},
};

struct pml_password {
  pml_job job;
  pml_task task; /* instead of a thread, in a virtual node */
  pml_timer timer;
  pml_node *node;
  pml_password_fn done;
  void *ud;
  char *text, *hash; /* owned; hash NULL: one is to be made */
  size_t ntext, nhash;
  uint32_t cost;
  int rc, same;
  char made[PML_PASSWORD_HASH];
};

static void password_free(pml_password *p) {
  pml_password_wipe(p->text, p->ntext);
  pml_free(p->text);
  pml_free(p->hash);
  pml_free(p);
}

static void work(pml_job *j) {
  pml_password *p = PML_CONTAINER(j, pml_password, job);
  pml_slice text = pml_slice_of(p->text, p->ntext);
  if (p->hash) p->rc = pml_password_verify(text, pml_slice_of(p->hash, p->nhash), &p->same);
  else p->rc = pml_password_hash(text, p->cost, p->made);
}

static void drop(pml_job *j) { password_free(PML_CONTAINER(j, pml_password, job)); }

static void done(pml_job *j) {
  pml_password *p = PML_CONTAINER(j, pml_password, job);
  pml_timer_stop(p->node->loop, &p->timer);
  p->node->passwords.done++;
  p->done(p->rc, p->hash || p->rc ? NULL : p->made, p->same, p->ud);
  password_free(p);
}

static void work_now(pml_task *t) {
  pml_password *p = PML_CONTAINER(t, pml_password, task);
  work(&p->job);
  done(&p->job);
}

void pml_node_password_cancel(pml_password *p) {
  pml_timer_stop(p->node->loop, &p->timer);
  pml_task_cancel(&p->task);
  if (pml_loop_is_virtual(p->node->loop) || pml_workers_forget(p->node->passwords.workers, &p->job))
    password_free(p);
}

static void too_late(pml_timer *t) {
  pml_password *p = PML_CONTAINER(t, pml_password, timer);
  pml_password_fn fn = p->done;
  void *ud = p->ud;
  p->node->passwords.timeouts++;
  pml_node_password_cancel(p);
  fn(PML_ETIMEOUT, NULL, 0, ud);
}

static int begin(pml_node *n, pml_password *p) {
  if (pml_loop_is_virtual(n->loop)) {
    p->cost = 1; /* specs are to be fast */
    pml_loop_defer(n->loop, &p->task);
    return 0;
  }
  pml_passwords *own = &n->passwords;
  if (!own->workers)
    own->workers = pml_workers_new(n->loop, n->config.password_threads, n->config.password_waiting);
  int rc = own->workers ? pml_workers_submit(own->workers, &p->job) : PML_EIO;
  if (rc == 0) pml_timer_start(n->loop, &p->timer, n->config.password_ms);
  return rc;
}

int pml_node_password(pml_node *n, pml_slice text, const pml_slice *hash, pml_password_fn fn,
                      void *ud, pml_password **out) {
  pml_password *p = pml_alloc0(sizeof *p);
  p->job = (pml_job){.work = work, .done = done, .drop = drop};
  p->node = n;
  p->done = fn;
  p->ud = ud;
  p->ntext = text.n;
  p->text = pml_strndup((const char *)text.p, text.n);
  if (hash) {
    p->nhash = hash->n;
    p->hash = pml_strndup((const char *)hash->p, hash->n);
  }
  p->cost = n->config.password_cost;
  pml_task_init(&p->task, work_now);
  pml_timer_init(&p->timer, too_late);
  int rc = begin(n, p);
  if (rc) {
    n->passwords.refused += rc == PML_EFULL;
    password_free(p);
    return rc;
  }
  *out = p;
  return 0;
}

void pml__passwords_clear(pml_node *n) {
  pml_workers_close(n->passwords.workers);
  n->passwords.workers = NULL;
}
