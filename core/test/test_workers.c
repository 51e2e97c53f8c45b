#include "loop/workers.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

#include <semaphore.h>
#include <stdatomic.h>

typedef struct {
  pml_job job;
  struct world *w;
  int number;
  sem_t *wait; /* posted when it may end; NULL: at once */
} task_job;

typedef struct world {
  pml_loop *l;
  pml_workers *workers;
  sem_t begun, go, dropped;
  atomic_int running, most, drops;
  int order[16], ndone, want;
} world;

static void work(pml_job *j) {
  task_job *t = PML_CONTAINER(j, task_job, job);
  world *w = t->w;
  int now = atomic_fetch_add(&w->running, 1) + 1;
  if (now > atomic_load(&w->most)) atomic_store(&w->most, now);
  sem_post(&w->begun);
  if (t->wait) CHECK_EQ(sem_wait(t->wait), 0);
  atomic_fetch_sub(&w->running, 1);
}

static void done(pml_job *j) {
  task_job *t = PML_CONTAINER(j, task_job, job);
  world *w = t->w;
  w->order[w->ndone++] = t->number;
  pml_free(t);
  if (w->ndone == w->want) pml_loop_stop(w->l);
}

static void drop(pml_job *j) {
  task_job *t = PML_CONTAINER(j, task_job, job);
  world *w = t->w;
  atomic_fetch_add(&w->drops, 1);
  pml_free(t);
  sem_post(&w->dropped);
}

static void world_init(world *w, uint32_t threads, uint32_t waiting) {
  *w = (world){.l = pml_loop_new()};
  w->workers = pml_workers_new(w->l, threads, waiting);
  CHECK(w->workers);
  sem_init(&w->begun, 0, 0);
  sem_init(&w->go, 0, 0);
  sem_init(&w->dropped, 0, 0);
}

static void world_end(world *w) {
  pml_workers_close(w->workers);
  pml_loop_free(w->l);
}

static task_job *job_new(world *w, int number, int waits) {
  task_job *t = pml_alloc0(sizeof *t);
  t->job = (pml_job){.work = work, .done = done, .drop = drop};
  t->w = w;
  t->number = number;
  t->wait = waits ? &w->go : NULL;
  return t;
}

TEST(workers_do_jobs_in_order) {
  world w;
  world_init(&w, 1, 16);
  w.want = 5;
  for (int i = 0; i < 5; i++) CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, i, 0)->job), 0);
  pml_loop_run(w.l);
  for (int i = 0; i < 5; i++) CHECK_EQ(w.order[i], i);
  CHECK_EQ(atomic_load(&w.most), 1);
  world_end(&w);
}

TEST(workers_are_as_many_as_there_is_work_for) {
  world w;
  world_init(&w, 3, 16);
  w.want = 4;
  for (int i = 0; i < 4; i++) CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, i, 1)->job), 0);
  for (int i = 0; i < 3; i++) CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(sem_trywait(&w.begun), -1); /* the fourth waits for a thread */
  for (int i = 0; i < 4; i++) sem_post(&w.go);
  pml_loop_run(w.l);
  CHECK_EQ(atomic_load(&w.most), 3);
  world_end(&w);
}

TEST(workers_bound_what_waits) {
  world w;
  world_init(&w, 1, 2);
  w.want = 3;
  CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 0, 1)->job), 0);
  CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 1, 0)->job), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 2, 0)->job), 0);
  task_job *more = job_new(&w, 3, 0);
  CHECK_EQ(pml_workers_submit(w.workers, &more->job), PML_EFULL);
  sem_post(&w.go);
  pml_loop_run(w.l);
  w.want = 4;
  CHECK_EQ(pml_workers_submit(w.workers, &more->job), 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.order[3], 3);
  world_end(&w);
}

TEST(workers_forget_what_waits_and_what_is_done) {
  world w;
  world_init(&w, 1, 4);
  w.want = 1;
  task_job *first = job_new(&w, 0, 1), *second = job_new(&w, 1, 0);
  CHECK_EQ(pml_workers_forget(w.workers, &first->job), 1); /* not submitted */
  CHECK_EQ(pml_workers_submit(w.workers, &first->job), 0);
  CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &second->job), 0);
  CHECK_EQ(pml_workers_forget(w.workers, &first->job), 0);
  CHECK_EQ(pml_workers_forget(w.workers, &second->job), 1);
  pml_free(second);
  sem_post(&w.go);
  CHECK_EQ(sem_wait(&w.dropped), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 2, 0)->job), 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.order[0], 2);
  world_end(&w);
}

/* It has ended, and its mail is on the way. */
TEST(workers_forget_what_has_ended) {
  world w;
  world_init(&w, 1, 4);
  w.want = 1;
  task_job *first = job_new(&w, 0, 0);
  CHECK_EQ(pml_workers_submit(w.workers, &first->job), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 1, 0)->job), 0);
  CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(sem_wait(&w.begun), 0); /* the second has begun: the first was posted */
  CHECK_EQ(pml_workers_forget(w.workers, &first->job), 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.order[0], 1);
  CHECK_EQ(atomic_load(&w.drops), 1);
  world_end(&w);
}

TEST(workers_may_be_closed_while_a_forgotten_job_goes_on) {
  world w;
  world_init(&w, 2, 4);
  task_job *one = job_new(&w, 0, 1), *two = job_new(&w, 1, 0);
  CHECK_EQ(pml_workers_submit(w.workers, &one->job), 0);
  CHECK_EQ(pml_workers_submit(w.workers, &two->job), 0);
  CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(sem_wait(&w.begun), 0);
  CHECK_EQ(pml_workers_forget(w.workers, &one->job), 0);
  pml_workers_forget(w.workers, &two->job);
  world_end(&w); /* the loop is gone, too */
  sem_post(&w.go);
  CHECK_EQ(sem_wait(&w.dropped), 0);
  CHECK_EQ(sem_wait(&w.dropped), 0);
  CHECK_EQ(w.ndone, 0);
}

static void closes(pml_job *j) {
  task_job *t = PML_CONTAINER(j, task_job, job);
  world *w = t->w;
  pml_free(t);
  pml_workers_close(w->workers);
  pml_loop_stop(w->l);
}

TEST(workers_may_be_closed_by_a_job_that_is_done) {
  world w;
  world_init(&w, 1, 4);
  task_job *t = job_new(&w, 0, 0);
  t->job.done = closes;
  CHECK_EQ(pml_workers_submit(w.workers, &t->job), 0);
  pml_loop_run(w.l);
  pml_loop_free(w.l);
}

TEST(workers_do_a_last_job_when_they_are_closed) {
  world w;
  for (int used = 0; used < 2; used++) {
    world_init(&w, 1, 4);
    w.want = 1;
    if (used) {
      CHECK_EQ(pml_workers_submit(w.workers, &job_new(&w, 0, 0)->job), 0);
      pml_loop_run(w.l);
      CHECK_EQ(sem_wait(&w.begun), 0);
    }
    pml_workers_finish(w.workers, &job_new(&w, 1, 1)->job);
    pml_loop_free(w.l);
    CHECK_EQ(sem_wait(&w.begun), 0);
    sem_post(&w.go);
    CHECK_EQ(sem_wait(&w.dropped), 0);
    CHECK_EQ(w.ndone, used);
  }
}

TEST(workers_need_a_real_loop) {
  pml_loop *l = pml_loop_new_virtual();
  CHECK(!pml_workers_new(l, 1, 1));
  pml_loop_free(l);
  pml_workers_close(NULL);
}
