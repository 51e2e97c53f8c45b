#include "store/sqlite_file.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite_nowait.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define READERS 2
#define ALONE 16 /* reads of one turn that are left to one reader */
#define IDLE_US (300 * 1000000ull)

struct pml__sqlite_file {
  pml__sqlite_line line;
  pml_list node;           /* of files->open or files->ending */
  pml_sqlite_files *files; /* NULL: it belongs to one store */
  int refs;                /* under the lock of files */
  /* Under the lock of the line. */
  pthread_cond_t writes, reads;
  pthread_t writer, reader[READERS];
  int readers; /* that have started */
  int resting; /* readers that wait for work */
  int stop;
  int running; /* threads that have not ended */
};

struct pml_sqlite_files {
  pthread_mutex_t lock;
  pml_list open, ending;
};

pml_sqlite_files *pml_sqlite_files_new(void) {
  pml_sqlite_files *f = pml_alloc0(sizeof *f);
  pthread_mutex_init(&f->lock, NULL);
  pml_list_init(&f->open);
  pml_list_init(&f->ending);
  return f;
}

/* Waits for its threads. */
static void end(pml__sqlite_file *f) {
  pthread_join(f->writer, NULL);
  for (int i = 0; i < f->readers; i++) pthread_join(f->reader[i], NULL);
  pthread_cond_destroy(&f->writes);
  pthread_cond_destroy(&f->reads);
  pml__sqlite_line_clear(&f->line);
  pml_free(f);
}

void pml_sqlite_files_free(pml_sqlite_files *f) {
  if (!f) return;
  for (pml_list *n; (n = pml_list_pop(&f->ending));) end(PML_CONTAINER(n, pml__sqlite_file, node));
  pthread_mutex_destroy(&f->lock);
  pml_free(f);
}

/* --- the threads ----------------------------------------------------------------------------- */

/* Waits for a signal, or until due; 0: for ever. Returns whether due has come. */
static int rest(pml__sqlite_file *f, pthread_cond_t *c, uint64_t due) {
  if (!due) return pthread_cond_wait(c, &f->line.lock) == ETIMEDOUT;
  struct timespec at = {.tv_sec = (time_t)(due / 1000000), .tv_nsec = (long)(due % 1000000) * 1000};
  return pthread_cond_timedwait(c, &f->line.lock, &at) == ETIMEDOUT;
}

static void close_conn(pml__sqlite_file *f, pml__sqlite_conn **c) {
  pml__sqlite_conn *gone = *c;
  if (!gone) return;
  *c = NULL;
  pthread_mutex_unlock(&f->line.lock);
  pml__sqlite_conn_close(gone);
  pthread_mutex_lock(&f->line.lock);
  atomic_fetch_sub(&f->line.open, 1);
}

static void *write_all(void *ud) {
  pml__sqlite_file *f = ud;
  uint64_t due;
  pthread_mutex_lock(&f->line.lock);
  for (;;) {
    if (pml__sqlite_line_write(&f->line, &due)) continue;
    if (f->stop) break;
    int idle = !due && f->line.writer;
    if (idle) due = pml_clock_us() + IDLE_US;
    if (rest(f, &f->writes, due) && idle) close_conn(f, &f->line.writer);
  }
  close_conn(f, &f->line.writer);
  f->running--;
  pthread_mutex_unlock(&f->line.lock);
  return NULL;
}

static void *read_all(void *ud) {
  pml__sqlite_file *f = ud;
  pml__sqlite_conn *c = NULL;
  pthread_mutex_lock(&f->line.lock);
  for (;;) {
    int did = pml__sqlite_line_read(&f->line, &c);
    if (did == 2) pthread_cond_signal(&f->writes);
    if (did) continue;
    if (f->stop) break;
    f->resting++;
    int late = rest(f, &f->reads, c ? pml_clock_us() + IDLE_US : 0);
    f->resting--;
    if (late && pml_list_empty(&f->line.reads)) close_conn(f, &c);
  }
  close_conn(f, &c);
  f->running--;
  pthread_mutex_unlock(&f->line.lock);
  return NULL;
}

/* Signals are the program's; the lock is held. */
static int start(pml__sqlite_file *f, pthread_t *t, void *(*run)(void *)) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(t, NULL, run, f);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc) return PML_EIO;
  pthread_setname_np(*t, run == write_all ? "sqlite-write" : "sqlite-read");
  f->running++;
  return 0;
}

/* --- stores ---------------------------------------------------------------------------------- */

static pml__sqlite_file *find(pml_sqlite_files *files, const char *path) {
  for (pml_list *n = files->open.next; n != &files->open; n = n->next) {
    pml__sqlite_file *f = PML_CONTAINER(n, pml__sqlite_file, node);
    if (strcmp(f->line.path, path) == 0 && !f->line.memory) return f;
  }
  return NULL;
}

/* Frees files whose threads have ended, which a reload has closed. */
static void reap(pml_sqlite_files *files) {
  for (pml_list *n = files->ending.next, *next; n != &files->ending; n = next) {
    next = n->next;
    pml__sqlite_file *f = PML_CONTAINER(n, pml__sqlite_file, node);
    pthread_mutex_lock(&f->line.lock);
    int over = f->running == 0;
    pthread_mutex_unlock(&f->line.lock);
    if (!over) continue;
    pml_list_remove(n);
    end(f);
  }
}

static pml__sqlite_file *make(const char *path, char *err, size_t nerr) {
  pml__sqlite lib;
  pthread_condattr_t a;
  if (pml__sqlite_load(&lib, err, nerr) != 0) return NULL;
  pml__sqlite_nowait_prepare(&lib);
  pml__sqlite_file *f = pml_alloc0(sizeof *f);
  pml__sqlite_line_init(&f->line, &lib, path);
  pthread_condattr_init(&a);
  pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
  pthread_cond_init(&f->writes, &a);
  pthread_cond_init(&f->reads, &a);
  pthread_condattr_destroy(&a);
  pthread_mutex_lock(&f->line.lock);
  int rc = start(f, &f->writer, write_all);
  pthread_mutex_unlock(&f->line.lock);
  if (rc == 0) return f;
  snprintf(err, nerr, "%s: no thread for this file", path);
  pthread_cond_destroy(&f->writes);
  pthread_cond_destroy(&f->reads);
  pml__sqlite_line_clear(&f->line);
  pml_free(f);
  return NULL;
}

pml__sqlite_file *pml__sqlite_file_open(pml_sqlite_files *files, const char *path, char *err,
                                        size_t nerr) {
  if (files) {
    pthread_mutex_lock(&files->lock);
    reap(files);
  }
  pml__sqlite_file *f = files ? find(files, path) : NULL;
  if (!f) {
    f = make(path, err, nerr);
    if (f && files) pml_list_append(&files->open, &f->node);
  }
  if (f) {
    f->files = files;
    f->refs++;
  }
  if (files) pthread_mutex_unlock(&files->lock);
  return f;
}

static void stop(pml__sqlite_file *f) {
  pthread_mutex_lock(&f->line.lock);
  f->stop = 1;
  pthread_cond_broadcast(&f->writes);
  pthread_cond_broadcast(&f->reads);
  pthread_mutex_unlock(&f->line.lock);
}

void pml__sqlite_file_leave(pml__sqlite_file *f) {
  pml_sqlite_files *files = f->files;
  if (!files) {
    stop(f);
    end(f);
    return;
  }
  pthread_mutex_lock(&files->lock);
  if (--f->refs == 0) {
    pml_list_remove(&f->node);
    pml_list_append(&files->ending, &f->node);
    stop(f);
  }
  pthread_mutex_unlock(&files->lock);
}

pml__sqlite_line *pml__sqlite_file_line(pml__sqlite_file *f) { return &f->line; }

static int more_than(const pml_list *l, int n) {
  for (const pml_list *i = l->next; i != l; i = i->next)
    if (n-- == 0) return 1;
  return 0;
}

/* A thread for reads, when more wait than those that rest can take. */
static void start_reader(pml__sqlite_file *f) {
  if (f->readers == READERS || !more_than(&f->line.reads, f->resting)) return;
  if (start(f, &f->reader[f->readers], read_all) == 0) f->readers++;
  if (f->readers) return;
  for (pml_list *n; (n = pml_list_pop(&f->line.reads));) pml_list_append(&f->line.writes, n);
}

void pml__sqlite_file_add(pml__sqlite_file *f, pml_list *jobs) {
  int reads = 0, writes = 0;
  pthread_mutex_lock(&f->line.lock);
  for (pml_list *n; (n = pml_list_pop(jobs));) {
    if (pml__sqlite_line_add(&f->line, PML_CONTAINER(n, pml__sqlite_job, node))) reads++;
    else writes++;
  }
  if (reads) start_reader(f);
  if (writes || (reads && !f->readers)) pthread_cond_signal(&f->writes);
  if (reads) pthread_cond_signal(&f->reads);
  if (reads > ALONE) pthread_cond_signal(&f->reads); /* the other one, too */
  pthread_mutex_unlock(&f->line.lock);
}

void pml__sqlite_file_end_tx(pml__sqlite_file *f, uint64_t client, uint64_t tx) {
  pthread_mutex_lock(&f->line.lock);
  pml__sqlite_line_end_tx(&f->line, client, tx);
  pthread_cond_signal(&f->writes);
  pthread_mutex_unlock(&f->line.lock);
}
