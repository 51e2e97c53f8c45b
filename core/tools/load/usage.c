#include "tools/load/usage.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double task_cpu(const char *dir) {
  char path[700];
  unsigned long long ns = 0;
  snprintf(path, sizeof path, "%s/schedstat", dir);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  if (fscanf(f, "%llu", &ns) != 1) ns = 0;
  fclose(f);
  return (double)ns / 1e9;
}

static void process_usage(const char *pid, load_usage *u) {
  char path[256], entry[600];
  long pages = 0, size = 0;
  snprintf(path, sizeof path, "/proc/%s/statm", pid);
  FILE *f = fopen(path, "r");
  if (!f) return;
  if (fscanf(f, "%ld %ld", &size, &pages) == 2)
    u->rss += (double)pages * (double)sysconf(_SC_PAGESIZE);
  fclose(f);
  snprintf(path, sizeof path, "/proc/%s/task", pid);
  DIR *d = opendir(path);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    snprintf(entry, sizeof entry, "%s/%s", path, e->d_name);
    u->cpu += task_cpu(entry);
  }
  closedir(d);
}

load_usage load_usage_of(const char *pids) {
  load_usage u = {0, 0};
  if (!pids) return u;
  char *list = pml_strdup(pids), *rest = NULL;
  for (char *p = strtok_r(list, ", ", &rest); p; p = strtok_r(NULL, ", ", &rest))
    process_usage(p, &u);
  pml_free(list);
  return u;
}

double load_usage_own(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
         (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
