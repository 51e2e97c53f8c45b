#include "loop/helpers.h"

#include "base/mem.h"

#include <pthread.h>
#include <time.h>

struct pml_helpers {
  pthread_mutex_t lock; /* guards the others */
  pthread_cond_t less;
  uint32_t threads;
  int left;
};

pml_helpers *pml_helpers_new(void) {
  pml_helpers *h = pml_alloc0(sizeof *h);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_mutex_init(&h->lock, NULL);
  pthread_cond_init(&h->less, &attr);
  pthread_condattr_destroy(&attr);
  return h;
}

/* Under the lock, which it gives up. */
static void free_unused(pml_helpers *h) {
  int used = h->threads || !h->left;
  pthread_mutex_unlock(&h->lock);
  if (used) return;
  pthread_cond_destroy(&h->less);
  pthread_mutex_destroy(&h->lock);
  pml_free(h);
}

pml_helpers *pml_helpers_begin(pml_helpers *h) {
  pthread_mutex_lock(&h->lock);
  h->threads++;
  pthread_mutex_unlock(&h->lock);
  return h;
}

void pml_helpers_end(pml_helpers *h) {
  pthread_mutex_lock(&h->lock);
  h->threads--;
  pthread_cond_signal(&h->less);
  free_unused(h);
}

void pml_helpers_leave(pml_helpers *h, uint32_t ms) {
  struct timespec until;
  int late = 0;
  if (!h) return;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += ms / 1000;
  until.tv_nsec += (long)(ms % 1000) * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&h->lock);
  while (h->threads && !late) late = pthread_cond_timedwait(&h->less, &h->lock, &until) != 0;
  h->left = 1;
  free_unused(h);
}
