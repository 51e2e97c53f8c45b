#include "base/machine.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/pml_machine_XXXXXX";

/* Makes the folders of a path, and the file. */
static void put(const char *path, const char *text) {
  char whole[512];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  for (char *p = whole + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
    *p = '\0';
    mkdir(whole, 0700);
  }
  FILE *f = fopen(whole, "w");
  CHECK(f != NULL);
  fputs(text, f);
  fclose(f);
}

static void begin(void) {
  CHECK(mkdtemp(root) != NULL);
  put("/proc/meminfo", "Unknown: 5 kB\nMemTotal:       8000 kB\nMemFree: 10 kB\n");
}

static void finish(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -r %s", root);
  CHECK_EQ(system(command), 0);
}

TEST(machine_without_groups_has_what_is_installed) {
  begin();
  CHECK_EQ(pml_machine_memory(root), 8000 * 1024);
  put("/proc/self/cgroup", "nothing\n\n0:\n1:cpu:/a\n0::/not/there\n");
  CHECK_EQ(pml_machine_memory(root), 8000 * 1024);
  finish();
}

TEST(machine_groups_of_version_2_count_with_those_above) {
  begin();
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  CHECK_EQ(pml_machine_memory(root), 8000 * 1024);
  put("/sys/fs/cgroup/a/memory.max", "5000000\n");
  CHECK_EQ(pml_machine_memory(root), 5000000);
  put("/sys/fs/cgroup/a/b/memory.max", "3000000\n");
  CHECK_EQ(pml_machine_memory(root), 3000000);
  /* A container that sees its own group as the root. */
  put("/sys/fs/cgroup/memory.max", "2000000\n");
  CHECK_EQ(pml_machine_memory(root), 2000000);
  put("/proc/self/cgroup", "0::/\n");
  CHECK_EQ(pml_machine_memory(root), 2000000);
  finish();
}

TEST(machine_groups_of_version_1_count_too) {
  begin();
  put("/proc/self/cgroup", "5:devices:/x\n4:memory:/x\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK_EQ(pml_machine_memory(root), 8000 * 1024);
  put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4000000\n");
  CHECK_EQ(pml_machine_memory(root), 4000000);
  finish();
}

TEST(machine_limits_of_the_process_count) {
  CHECK_EQ(pml_machine_memory("/nowhere"), 1 << 30);
  CHECK(pml_machine_memory("") >= 1 << 20);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* they take more */
  struct rlimit r = {900u << 20, 900u << 20};
  CHECK_EQ(setrlimit(RLIMIT_DATA, &r), 0);
  CHECK_EQ(pml_machine_memory("/nowhere"), 900u << 20);
#endif
}
