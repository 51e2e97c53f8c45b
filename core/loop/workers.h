/* workers: threads that do what would hold up a loop: a password's hash, a library whose calls wait
 * for an answer.
 *
 * A job is embedded in its owner's structure. It is done once, on a thread that touches nothing but
 * the job, and finished once, on the loop's thread. Jobs begin in the order in which they were
 * submitted. Threads start when there is work for them, take no signals, and stay until the workers
 * are closed.
 *
 * No thread can be stopped in the middle of its job: one that is forgotten goes on, and is dropped
 * when it has ended, also when the workers were closed and their loop was freed meanwhile. */
#ifndef PML_LOOP_WORKERS_H
#define PML_LOOP_WORKERS_H

#include "base/list.h"
#include "loop/mailbox.h"

typedef struct pml_job pml_job;
struct pml_job {
  void (*work)(pml_job *j); /* public: on a thread of the workers */
  /* public: afterwards, on the loop's thread. The job is its owner's again: this may free or submit
   * it, and may close the workers. */
  void (*done)(pml_job *j);
  void (*drop)(pml_job *j); /* public: in the place of done, on any thread: frees the job */
  pml_mail mail;            /* private */
  pml_list node;            /* private */
  int state;                /* private */
};

typedef struct pml_workers pml_workers;

/* threads: how many there are at most; waiting: jobs that may wait for one. Returns owned, NULL
 * when the loop is virtual or the system refuses. */
pml_workers *pml_workers_new(pml_loop *l, uint32_t threads, uint32_t waiting);
/* Takes the job until done or drop. 0; PML_EFULL: too many wait; PML_EIO: the system gives no
 * thread. */
int pml_workers_submit(pml_workers *w, pml_job *j);
/* The job's `done` will not be called. 1: it waited, and is the caller's again. 0: it is being
 * done, or was, and `drop` is or will be called. Harmless for a zeroed job and for one that is
 * done: 1. */
int pml_workers_forget(pml_workers *w, pml_job *j);
/* Takes w, and a job that is the caller's: a thread does and drops it, and then all end; the loop
 * hears nothing of it. Every other job is done or forgotten. */
void pml_workers_finish(pml_workers *w, pml_job *last);
/* Takes w (NULL is allowed). Every job is done or forgotten. */
void pml_workers_close(pml_workers *w);

#endif
