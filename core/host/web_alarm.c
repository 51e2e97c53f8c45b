#include "host/web_alarm.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <time.h>

struct pml__web_alarm {
  pml__web_alarm_fn fn;
  void *ud;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* by CLOCK_MONOTONIC, as base/clock */
  uint64_t when;          /* 0: not asked for */
  int ending;
};

static void sleep_until(pml__web_alarm *a) {
  struct timespec t = {.tv_sec = (time_t)(a->when / 1000),
                       .tv_nsec = (long)(a->when % 1000) * 1000000};
  if (a->when) pthread_cond_timedwait(&a->changed, &a->lock, &t);
  else pthread_cond_wait(&a->changed, &a->lock);
}

static void ask(pml__web_alarm *a, uint64_t when) {
  if (when && (!a->when || when < a->when)) a->when = when;
}

static void *alarm_main(void *ud) {
  pml__web_alarm *a = ud;
  pthread_setname_np(pthread_self(), "web alarm");
  pthread_mutex_lock(&a->lock);
  while (!a->ending) {
    uint64_t now = pml_clock_ms();
    if (!a->when || a->when > now) {
      sleep_until(a);
      continue;
    }
    a->when = 0;
    pthread_mutex_unlock(&a->lock);
    uint64_t next = a->fn(now, a->ud);
    pthread_mutex_lock(&a->lock);
    ask(a, next);
  }
  pthread_mutex_unlock(&a->lock);
  return NULL;
}

pml__web_alarm *pml__web_alarm_new(pml__web_alarm_fn fn, void *ud) {
  pml__web_alarm *a = pml_alloc0(sizeof *a);
  pthread_condattr_t attr;
  a->fn = fn;
  a->ud = ud;
  pthread_mutex_init(&a->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&a->changed, &attr);
  pthread_condattr_destroy(&attr);
  if (pthread_create(&a->thread, NULL, alarm_main, a) == 0) return a;
  pthread_cond_destroy(&a->changed);
  pthread_mutex_destroy(&a->lock);
  pml_free(a);
  return NULL;
}

void pml__web_alarm_by(pml__web_alarm *a, uint64_t when) {
  pthread_mutex_lock(&a->lock);
  uint64_t before = a->when;
  ask(a, when);
  if (a->when != before) pthread_cond_signal(&a->changed);
  pthread_mutex_unlock(&a->lock);
}

void pml__web_alarm_free(pml__web_alarm *a) {
  if (!a) return;
  pthread_mutex_lock(&a->lock);
  a->ending = 1;
  pthread_cond_signal(&a->changed);
  pthread_mutex_unlock(&a->lock);
  pthread_join(a->thread, NULL);
  pthread_cond_destroy(&a->changed);
  pthread_mutex_destroy(&a->lock);
  pml_free(a);
}
