#include "base/log_files.h"

#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pomelua-log-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[2][PATH_MAX];
  static int turn;
  turn = !turn;
  snprintf(path[turn], PATH_MAX, "%s/%s", folder, name);
  return path[turn];
}

static void holds(const char *path, const char *expected) {
  char text[200] = "";
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  ssize_t n = read(fd, text, sizeof text - 1);
  CHECK(n >= 0);
  CHECK(strcmp(text, expected) == 0);
  close(fd);
}

static void say(pml_output *o, const char *text) {
  pml_output_put(o, pml_buf_from(text, strlen(text)));
  CHECK(pml_output_flush(o, 2000));
}

static void count(const char *path, const char *why, void *ud) {
  CHECK(path && why);
  ++*(int *)ud;
}

TEST(log_files_are_opened_once_appended_to_and_opened_anew) {
  CHECK(mkdtemp(folder) != NULL);
  pml_log_files *f = pml_log_files_new(1 << 20, 0);
  int failed = 0;
  CHECK_EQ(pml_log_files_reopen(f, count, &failed), 0);
  pml_output *a = pml_log_files_open(f, in_folder("deep/er/a.log"));
  CHECK(a != NULL);
  CHECK(pml_log_files_open(f, in_folder("deep/er/a.log")) == a);
  say(a, "one\n");
  CHECK_EQ(rename(in_folder("deep/er/a.log"), in_folder("old")), 0);
  say(a, "two\n");
  CHECK_EQ(pml_log_files_reopen(f, count, &failed), 1);
  say(a, "three\n");
  holds(in_folder("old"), "one\ntwo\n");
  holds(in_folder("deep/er/a.log"), "three\n");
  /* The folder is gone, and a file has its name: lines go on into the file that was open. */
  unlink(in_folder("deep/er/a.log"));
  rmdir(in_folder("deep/er"));
  close(open(in_folder("deep/er"), O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(pml_log_files_reopen(f, count, &failed), 1);
  CHECK_EQ(failed, 1);
  say(a, "four\n");
  CHECK(pml_log_files_open(f, in_folder("deep/er/b.log")) == NULL);
  CHECK_EQ(errno, ENOTDIR);
  pml_log_files_free(f);
  pml_log_files_free(NULL);
}

TEST(log_files_have_a_bounded_number) {
  char name[32];
  CHECK(mkdtemp(folder) != NULL);
  pml_log_files *f = pml_log_files_new(1 << 20, 0);
  for (int i = 0; i < PML_LOG_FILES; i++) {
    snprintf(name, sizeof name, "%d", i);
    CHECK(pml_log_files_open(f, in_folder(name)) != NULL);
  }
  CHECK(pml_log_files_open(f, in_folder("more")) == NULL);
  CHECK_EQ(errno, ENFILE);
  CHECK(pml_log_files_open(f, in_folder("0")) != NULL);
  pml_log_files_free(f);
}
