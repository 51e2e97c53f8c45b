/* machine: how much memory this process may use, so that a default can be a part of it. Linux:
 * /proc/meminfo (proc(5)), control groups of both versions (Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/memory.rst of the kernel), and the limits of setrlimit(2). */
#ifndef PML_BASE_MACHINE_H
#define PML_BASE_MACHINE_H

#include <stdint.h>

/* Bytes: the least of what the machine has, of the limits of the process's control group and of
 * those above it, and of RLIMIT_AS and RLIMIT_DATA. root: what stands before /proc and /sys, "" but
 * for tests. Never 0: what cannot be read counts as 1 GiB. */
uint64_t pml_machine_memory(const char *root);

#endif
