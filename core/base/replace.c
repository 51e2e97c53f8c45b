#include "base/replace.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PRIVATE 0600
#define LOOK_MS 10 /* between two looks at a lock that another process has */

static int failed(char why[PML_REPLACE_WHY], const char *path, const char *what) {
  snprintf(why, PML_REPLACE_WHY, "%s: %s%s", path, what, strerror(errno));
  return PML_EIO;
}

/* The folder of a path. Returns owned. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return pml_strdup(".");
  return pml_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int write_all(int fd, pml_slice text) {
  for (size_t at = 0; at < text.n;) {
    ssize_t n = write(fd, text.p + at, text.n - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    at += (size_t)n;
  }
  return fsync(fd);
}

/* Gives the new file the owner that the old one had, or that the folder has. */
static int keep_owner(int fd, const char *path, const char *folder) {
  struct stat was, own;
  if (stat(path, &was) != 0 && (errno != ENOENT || stat(folder, &was) != 0)) return -1;
  if (fstat(fd, &own) != 0) return -1;
  if (was.st_uid == own.st_uid) return 0; /* the group has no rights in any case */
  return fchown(fd, was.st_uid, was.st_gid);
}

static int sync_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  int wrong = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  errno = wrong;
  return wrong == 0 || wrong == EINVAL ? 0 : -1; /* EINVAL: it syncs no folders */
}

/* Writes `fresh`, and puts it in the place of path. */
static int replace(const char *fresh, const char *path, const char *folder, pml_slice text,
                   char why[PML_REPLACE_WHY]) {
  unlink(fresh); /* of a process that was killed */
  int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, PRIVATE);
  if (fd < 0) return failed(why, fresh, "");
  int rc = 0;
  if (fchmod(fd, PRIVATE) != 0 || write_all(fd, text) != 0) rc = failed(why, fresh, "");
  else if (keep_owner(fd, path, folder) != 0)
    rc = failed(why, path, "a new file would not keep its owner: ");
  if (close(fd) != 0 && !rc) rc = failed(why, fresh, "");
  if (!rc && rename(fresh, path) != 0) rc = failed(why, path, "");
  if (rc) unlink(fresh);
  return rc;
}

int pml_replace_file(const char *path, pml_slice text, char why[PML_REPLACE_WHY]) {
  char *real = realpath(path, NULL); /* of the C library: not by base/mem */
  if (!real && errno != ENOENT) return failed(why, path, "");
  char *to = pml_strdup(real ? real : path), *folder = folder_of(to);
  free(real);
  char *fresh = pml_alloc(strlen(to) + sizeof ".new");
  sprintf(fresh, "%s.new", to);
  int rc = replace(fresh, to, folder, text, why);
  if (!rc && sync_folder(folder) != 0) rc = failed(why, folder, "");
  pml_free(fresh);
  pml_free(folder);
  pml_free(to);
  return rc;
}

int pml_replace_lock(const char *folder, uint32_t ms, char why[PML_REPLACE_WHY]) {
  const struct timespec look = {0, LOOK_MS * 1000000};
  uint64_t last = pml_clock_ms() + ms;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed(why, folder, "");
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int rc = errno == EWOULDBLOCK || errno == EINTR ? 0 : failed(why, folder, "no lock: ");
    if (!rc && pml_clock_ms() >= last) {
      snprintf(why, PML_REPLACE_WHY, "%s: another process has locked this folder", folder);
      rc = PML_EFULL;
    }
    if (rc) {
      close(fd);
      return rc;
    }
    nanosleep(&look, NULL);
  }
  return fd;
}
