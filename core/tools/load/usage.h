/* usage: the CPU time and the memory of processes, as the system counts them. */
#ifndef PML_TOOLS_LOAD_USAGE_H
#define PML_TOOLS_LOAD_USAGE_H

typedef struct {
  double cpu, rss; /* seconds, bytes */
} load_usage;

/* The sum of the processes in a list such as "12,13". pids NULL: zeroes. A process that has ended
 * counts as nothing. */
load_usage load_usage_of(const char *pids);
/* CPU seconds of this process. */
double load_usage_own(void);

#endif
