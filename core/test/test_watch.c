#include "loop/watch.h"

#include "base/err.h"
#include "test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
  pml_loop *l;
  const char *wanted;
  int events;
} seen;

static void on_event(const char *name, void *ud) {
  seen *s = ud;
  s->events++;
  if (name && strcmp(name, s->wanted) == 0) pml_loop_stop(s->l);
}

static void touch(const char *folder, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  CHECK(fd >= 0);
  close(fd);
}

TEST(watch_tells_what_comes_and_what_is_renamed) {
  char folder[] = "/tmp/pomelua-watch-XXXXXX", from[64], to[64];
  CHECK(mkdtemp(folder) != NULL);
  seen s = {.l = pml_loop_new(), .wanted = "a.tmp"};
  pml_watch *w;
  CHECK_EQ(pml_watch_open(s.l, folder, on_event, &s, &w), 0);
  touch(folder, "a.tmp");
  pml_loop_run(s.l);
  s.wanted = "a.lua";
  snprintf(from, sizeof from, "%s/a.tmp", folder);
  snprintf(to, sizeof to, "%s/a.lua", folder);
  CHECK_EQ(rename(from, to), 0);
  pml_loop_run(s.l);
  CHECK(s.events >= 2);
  pml_watch_close(w);
  pml_loop_free(s.l);
  unlink(to);
  rmdir(folder);
}

TEST(watch_needs_a_folder_and_a_real_loop) {
  pml_loop *l = pml_loop_new(), *v = pml_loop_new_virtual();
  pml_watch *w;
  CHECK_EQ(pml_watch_open(l, "/nowhere/at/all", on_event, NULL, &w), PML_ENOENT);
  CHECK_EQ(pml_watch_open(v, "/tmp", on_event, NULL, &w), PML_EINVAL);
  pml_loop_free(l);
  pml_loop_free(v);
}
