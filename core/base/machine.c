#include "base/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PATH_ROOM 4096
#define UNKNOWN (1ull << 30)

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* MemTotal, which is in KiB; UINT64_MAX when it cannot be read. */
static uint64_t installed(const char *root) {
  char path[PATH_ROOM], line[200];
  uint64_t kib = 0;
  snprintf(path, sizeof path, "%s/proc/meminfo", root);
  FILE *f = fopen(path, "re");
  if (!f) return UINT64_MAX;
  while (!kib && fgets(line, sizeof line, f))
    if (sscanf(line, "MemTotal: %" SCNu64, &kib) != 1) kib = 0;
  fclose(f);
  return kib ? kib * 1024 : UINT64_MAX;
}

/* The number in a file; UINT64_MAX: there is no file, or it holds the word max. */
static uint64_t number_in(const char *path) {
  uint64_t n = UINT64_MAX;
  FILE *f = fopen(path, "re");
  if (!f) return n;
  if (fscanf(f, "%" SCNu64, &n) != 1 || n == 0) n = UINT64_MAX;
  fclose(f);
  return n;
}

/* The least limit of a group and of all above it: each is a folder below `mount` with `file` in it.
 * A container may see its own group as the root, while its name is that of the machine: folders
 * that are not there count as without a limit. */
static uint64_t group_limit(const char *mount, const char *group, const char *file) {
  char folder[PATH_ROOM / 2], path[PATH_ROOM];
  uint64_t limit = UINT64_MAX;
  snprintf(folder, sizeof folder, "%s", group);
  for (;;) {
    snprintf(path, sizeof path, "%s%s/%s", mount, folder, file);
    limit = least(limit, number_in(path));
    char *end = strrchr(folder, '/');
    if (!end) return limit;
    *end = '\0';
  }
}

/* A line of /proc/self/cgroup is "number:controllers:/group"; of version 2 "0::/group". */
static uint64_t line_limit(const char *root, char *line) {
  char mount[PATH_ROOM / 4];
  line[strcspn(line, "\n")] = '\0';
  char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
  if (!group) return UINT64_MAX;
  *group++ = '\0';
  if (strcmp(line, "0:") == 0) {
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    return group_limit(mount, group, "memory.max");
  }
  if (strcmp(names, ":memory") != 0) return UINT64_MAX;
  snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/memory", root);
  return group_limit(mount, group, "memory.limit_in_bytes");
}

static uint64_t grouped(const char *root) {
  char path[PATH_ROOM], line[1024];
  uint64_t limit = UINT64_MAX;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *f = fopen(path, "re");
  if (!f) return limit;
  while (fgets(line, sizeof line, f)) limit = least(limit, line_limit(root, line));
  fclose(f);
  return limit;
}

static uint64_t limited(int what) {
  struct rlimit r;
  return getrlimit(what, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? r.rlim_cur : UINT64_MAX;
}

uint64_t pml_machine_memory(const char *root) {
  uint64_t n = least(installed(root), grouped(root));
  n = least(n, least(limited(RLIMIT_AS), limited(RLIMIT_DATA)));
  return n == UINT64_MAX ? UNKNOWN : n;
}
