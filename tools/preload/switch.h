/* switch: what the preloaded libraries share. They do harm while the file FAULT_FLAG exists, to one
 * call in FAULT_ONE_IN. A thread of its own looks for the file, so that a call costs no more than
 * a read of a variable. The
 * file FAULT_FLAG.state says which of the two holds; at exit the file FAULT_COUNT gets the number
 * of calls that were harmed. */
#ifndef POMELUA_PRELOAD_SWITCH_H
#define POMELUA_PRELOAD_SWITCH_H

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int switch_on;
static unsigned switch_one_in = 50, switch_seed = 7, switch_hits;

static unsigned switch_random(void) {
  unsigned x = __atomic_add_fetch(&switch_seed, 0x9e3779b9u, __ATOMIC_RELAXED);
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  x ^= x >> 12;
  x *= 0x297a2d39u;
  return x ^ x >> 15;
}

static int switch_hit(void) {
  if (!switch_on || switch_random() % switch_one_in != 0) return 0;
  __atomic_add_fetch(&switch_hits, 1, __ATOMIC_RELAXED);
  return 1;
}

__attribute__((destructor)) static void switch_end(void) {
  const char *name = getenv("FAULT_COUNT");
  FILE *f = name ? fopen(name, "w") : NULL;
  if (!f) return;
  fprintf(f, "%u\n", switch_hits);
  fclose(f);
}

/* Says in the file FAULT_FLAG.state which of the two holds now. */
static void switch_say(const char *flag) {
  char path[4096];
  FILE *f;
  snprintf(path, sizeof path, "%s.state", flag);
  f = fopen(path, "w");
  if (!f) return;
  fputs(switch_on ? "on\n" : "off\n", f);
  fclose(f);
}

static void *switch_look(void *flag) {
  for (;;) {
    int on = access(flag, F_OK) == 0;
    if (on != switch_on) {
      switch_on = on;
      switch_say(flag);
    }
    usleep(5000);
  }
  return NULL;
}

__attribute__((constructor)) static void switch_start(void) {
  const char *flag = getenv("FAULT_FLAG"), *n = getenv("FAULT_ONE_IN");
  pthread_t thread;
  sigset_t all, before;
  if (n && atoi(n) > 0) switch_one_in = (unsigned)atoi(n);
  if (!flag) return;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  if (pthread_create(&thread, NULL, switch_look, (void *)flag) == 0) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The function that this library stands before. */
#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

#endif
