#include "base/replace.h"

#include "base/err.h"
#include "test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pomelua-replace-XXXXXX";
static char path[80], other[80], why[PML_REPLACE_WHY];

static void begin(void) {
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/bans.json", folder);
  snprintf(other, sizeof other, "%s/other", folder);
}

static void finish(void) {
  unlink(path);
  unlink(other);
  CHECK_EQ(rmdir(folder), 0); /* nothing else is left in it */
}

static void holds(const char *file, const char *expected) {
  char text[100] = "";
  int fd = open(file, O_RDONLY);
  CHECK(fd >= 0);
  CHECK(read(fd, text, sizeof text - 1) >= 0);
  CHECK(strcmp(text, expected) == 0);
  close(fd);
}

TEST(replace_writes_a_file_for_its_owner_alone) {
  struct stat st;
  begin();
  umask(0);
  CHECK_EQ(pml_replace_file(path, pml_slice_str("one"), why), 0);
  holds(path, "one");
  CHECK_EQ(chmod(path, 0644), 0);
  CHECK_EQ(pml_replace_file(path, pml_slice_str("second"), why), 0);
  holds(path, "second");
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 0777, 0600);
  finish();
}

TEST(replace_keeps_the_owner_of_the_file_or_of_its_folder) {
  struct stat st;
  if (geteuid() != 0) return; /* only root gives files away */
  begin();
  CHECK_EQ(chown(folder, 1234, 1234), 0);
  CHECK_EQ(pml_replace_file(path, pml_slice_str("one"), why), 0);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_uid, 1234);
  CHECK_EQ(chown(path, 77, 78), 0);
  CHECK_EQ(pml_replace_file(path, pml_slice_str("two"), why), 0);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_uid, 77);
  CHECK_EQ(st.st_gid, 78);
  finish();
}

TEST(replace_follows_a_link_and_leaves_it) {
  struct stat st;
  begin();
  CHECK_EQ(pml_replace_file(other, pml_slice_str("old"), why), 0);
  CHECK_EQ(symlink(other, path), 0);
  CHECK_EQ(pml_replace_file(path, pml_slice_str("new"), why), 0);
  holds(other, "new");
  CHECK_EQ(lstat(path, &st), 0);
  CHECK(S_ISLNK(st.st_mode));
  finish();
}

TEST(replace_says_why_it_cannot) {
  char nowhere[100];
  begin();
  snprintf(nowhere, sizeof nowhere, "%s/none/bans.json", folder);
  CHECK_EQ(pml_replace_file(nowhere, pml_slice_str("x"), why), PML_EIO);
  CHECK(strstr(why, "none/bans.json.new: No such file or directory") != NULL);
  CHECK_EQ(mkdir(other, 0700), 0);
  CHECK_EQ(pml_replace_file(other, pml_slice_str("x"), why), PML_EIO);
  CHECK(strstr(why, "other: Is a directory") != NULL);
  CHECK_EQ(rmdir(other), 0);
  finish(); /* and no half file stays */
}

TEST(replace_locks_a_folder_for_one_at_a_time) {
  begin();
  int fd = pml_replace_lock(folder, 0, why);
  CHECK(fd >= 0);
  CHECK_EQ(pml_replace_lock(folder, 15, why), PML_EFULL);
  CHECK(strstr(why, "another process has locked this folder") != NULL);
  close(fd);
  fd = pml_replace_lock(folder, 0, why);
  CHECK(fd >= 0);
  close(fd);
  CHECK_EQ(pml_replace_lock(path, 0, why), PML_EIO);
  CHECK(strstr(why, "bans.json: No such file or directory") != NULL);
  finish();
}
