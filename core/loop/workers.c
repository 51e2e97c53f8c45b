#include "loop/workers.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>

enum { IDLE, QUEUED, RUNNING, POSTED, FORGOTTEN }; /* of a job; from QUEUED on under the lock */

#define MAILS 64 /* jobs that are finished in one turn */

struct pml_workers {
  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t more;
  pml_list queue;
  uint32_t waiting; /* in the queue */
  uint32_t threads, idle;
  uint32_t refs; /* the loop's side and every thread */
  int closed;
  /* Unchanged, or the loop's thread only. */
  uint32_t max_threads, max_waiting;
  pml_mailbox *box;
  pml_helpers *helpers; /* of the loop, or of a thread */
};

static void unref_locked(pml_workers *w) {
  uint32_t left = --w->refs;
  pthread_mutex_unlock(&w->lock);
  if (left) return;
  pml_mailbox_unref(w->box);
  pthread_cond_destroy(&w->more);
  pthread_mutex_destroy(&w->lock);
  pml_free(w);
}

/* Under the lock, which it gives up while it works. */
static void do_one(pml_workers *w, pml_job *j) {
  w->waiting--;
  if (j->state == QUEUED) j->state = RUNNING; /* else it is the last one, which nobody waits for */
  pthread_mutex_unlock(&w->lock);
  j->work(j);
  pthread_mutex_lock(&w->lock);
  if (j->state == RUNNING) {
    j->state = POSTED;
    j->mail = (pml_mail){0};
    if (pml_mailbox_post_reserved(w->box, &j->mail) == 0) return; /* may be gone already */
  }
  pthread_mutex_unlock(&w->lock);
  j->drop(j);
  pthread_mutex_lock(&w->lock);
}

static void *run(void *ud) {
  pml_workers *w = ud;
  pml_helpers *helpers = w->helpers;
  pthread_mutex_lock(&w->lock); /* it is idle: see thread_start */
  for (;;) {
    pml_list *item = pml_list_pop(&w->queue);
    if (!item && w->closed) break;
    if (item) {
      w->idle--;
      do_one(w, PML_CONTAINER(item, pml_job, node));
      w->idle++;
    } else {
      pthread_cond_wait(&w->more, &w->lock);
    }
  }
  unref_locked(w);
  pml_helpers_end(helpers);
  return NULL;
}

static void on_mail(pml_mail *mail, void *ud) {
  pml_workers *w = ud;
  pml_job *j = PML_CONTAINER(mail, pml_job, mail);
  pthread_mutex_lock(&w->lock); /* the thread that has posted it may still hold it */
  int forgotten = j->state == FORGOTTEN;
  j->state = IDLE;
  pthread_mutex_unlock(&w->lock);
  if (forgotten) j->drop(j);
  else j->done(j);
}

pml_workers *pml_workers_new(pml_loop *l, uint32_t threads, uint32_t waiting) {
  pml_workers *w = pml_alloc0(sizeof *w);
  w->box = pml_mailbox_new(l, MAILS, 0, on_mail, w);
  if (!w->box) {
    pml_free(w);
    return NULL;
  }
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->more, NULL);
  pml_list_init(&w->queue);
  w->helpers = pml_loop_helpers(l);
  w->max_threads = threads;
  w->max_waiting = waiting;
  w->refs = 1;
  return w;
}

/* Signals are the program's, and an interrupted call of a library may fail. */
static int thread_start(pml_workers *w) {
  pthread_t thread;
  pthread_attr_t attr;
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pml_helpers_begin(w->helpers);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&thread, &attr, run, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  if (rc) {
    pml_helpers_end(w->helpers);
    return PML_EIO;
  }
  w->refs++;
  w->threads++;
  w->idle++; /* and about to take a job */
  return 0;
}

/* Under the lock: how many jobs wait that no idle thread is about to take. */
static uint32_t unserved(const pml_workers *w) {
  return w->waiting > w->idle ? w->waiting - w->idle : 0;
}

int pml_workers_submit(pml_workers *w, pml_job *j) {
  int rc = 0;
  pthread_mutex_lock(&w->lock);
  if (w->waiting >= w->idle && w->threads < w->max_threads) {
    rc = thread_start(w);
    if (rc && w->threads) rc = 0; /* those that are there do it */
  } else if (unserved(w) >= w->max_waiting && w->waiting >= w->idle) {
    rc = PML_EFULL;
  }
  if (rc == 0) {
    j->state = QUEUED;
    pml_list_append(&w->queue, &j->node);
    w->waiting++;
    pthread_cond_signal(&w->more);
  }
  pthread_mutex_unlock(&w->lock);
  return rc;
}

int pml_workers_forget(pml_workers *w, pml_job *j) {
  int mine = 1;
  pthread_mutex_lock(&w->lock);
  if (j->state == QUEUED) {
    pml_list_remove(&j->node);
    w->waiting--;
    j->state = IDLE;
  } else if (j->state != IDLE) {
    j->state = FORGOTTEN;
    mine = 0;
  }
  pthread_mutex_unlock(&w->lock);
  return mine;
}

static void on_left(pml_mail *mail, void *ud) {
  (void)ud;
  pml_job *j = PML_CONTAINER(mail, pml_job, mail);
  j->drop(j);
}

void pml_workers_close(pml_workers *w) {
  if (!w) return;
  pml_mailbox_close(w->box, on_left, NULL);
  pthread_mutex_lock(&w->lock);
  w->closed = 1;
  pthread_cond_broadcast(&w->more);
  unref_locked(w);
}

void pml_workers_finish(pml_workers *w, pml_job *last) {
  pthread_mutex_lock(&w->lock);
  int is_there = w->threads || thread_start(w) == 0;
  if (is_there) {
    last->state = FORGOTTEN;
    pml_list_append(&w->queue, &last->node);
    w->waiting++;
  }
  pthread_mutex_unlock(&w->lock);
  if (!is_there) last->drop(last);
  pml_workers_close(w);
}
