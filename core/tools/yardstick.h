/* yardstick: what the programs share by which the benchmark measures a library alone: times, and
 * CONNECTIONS that have one question on their way each. */
#ifndef PML_TOOLS_YARDSTICK_H
#define PML_TOOLS_YARDSTICK_H

#include "base/clock.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define YARD_CONNECTIONS 64

/* Processor time of this process so far, in microseconds. */
static inline double yard_cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static inline int yard_by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Times in their order, for quantiles. */
static inline void yard_sort(double *us, size_t n) { qsort(us, n, sizeof *us, yard_by_size); }

/* Questions and their times. */
typedef struct {
  long sent, done, count;
  uint64_t begun[YARD_CONNECTIONS];
  double *took; /* owned */
} yard;

/* The number of the next question, of connection i, which is on its way now; -1: there is none. */
static inline long yard_next(yard *y, int i) {
  if (y->sent == y->count) return -1;
  y->begun[i] = pml_clock_us();
  return y->sent++;
}

static inline void yard_answered(yard *y, int i) {
  y->took[y->done++] = (double)(pml_clock_us() - y->begun[i]);
}

/* Asks by n connections until all is answered: send(ud, i) asks the next one, take(ud, i) reads
 * what has come and asks on. Prints the line of JSON, with `sum` of what was read. 0, or -1:
 * nothing came for five seconds. */
static inline int yard_run(yard *y, struct pollfd *fds, int n, void (*send)(void *ud, int i),
                           void (*take)(void *ud, int i), void *ud, const long *sum) {
  double before = yard_cpu_us();
  for (int i = 0; i < n; i++) send(ud, i);
  while (y->done < y->count) {
    if (poll(fds, (nfds_t)n, 5000) <= 0) return -1;
    for (int i = 0; i < n; i++)
      if (fds[i].revents) take(ud, i);
  }
  double us = (yard_cpu_us() - before) / (double)y->count;
  yard_sort(y->took, (size_t)y->count);
  printf("{\"us\":%.2f,\"p50\":%.0f,\"p99\":%.0f,\"sum\":%ld}\n", us, y->took[y->count / 2],
         y->took[y->count * 99 / 100], *sum);
  return 0;
}

#endif
