#include "base/log_files.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define END_MS 2000

typedef struct {
  char *path;
  pml_output *out;
} file;

struct pml_log_files {
  pthread_mutex_t lock;
  size_t limit, count;
  int json;
  file file[PML_LOG_FILES];
};

pml_log_files *pml_log_files_new(size_t limit, int json) {
  pml_log_files *f = pml_alloc0(sizeof *f);
  pthread_mutex_init(&f->lock, NULL);
  f->limit = limit;
  f->json = json;
  return f;
}

/* The folders around a file; what is wrong with them open says. */
static void make_folders(const char *path) {
  char *copy = pml_strdup(path);
  for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
    *p = '\0';
    mkdir(copy, 0777);
    *p = '/';
  }
  pml_free(copy);
}

/* O_NONBLOCK: a pipe without a reader is an error, and not a wait. */
static int open_file(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd >= 0 || errno != ENOENT) return fd;
  make_folders(path);
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
}

static pml_output *find(const pml_log_files *f, const char *path) {
  for (size_t i = 0; i < f->count; i++)
    if (strcmp(f->file[i].path, path) == 0) return f->file[i].out;
  return NULL;
}

static pml_output *add(pml_log_files *f, const char *path) {
  if (f->count == PML_LOG_FILES) {
    errno = ENFILE;
    return NULL;
  }
  int fd = open_file(path);
  if (fd < 0) return NULL;
  pml_output *out = pml_log_output(fd, f->limit, f->json);
  if (!out) {
    close(fd);
    errno = EAGAIN;
    return NULL;
  }
  pml_output_own(out);
  f->file[f->count++] = (file){pml_strdup(path), out};
  return out;
}

pml_output *pml_log_files_open(pml_log_files *f, const char *path) {
  pthread_mutex_lock(&f->lock);
  pml_output *out = find(f, path);
  if (!out) out = add(f, path);
  pthread_mutex_unlock(&f->lock);
  return out;
}

size_t pml_log_files_reopen(pml_log_files *f,
                            void (*failed)(const char *path, const char *why, void *ud), void *ud) {
  pthread_mutex_lock(&f->lock);
  for (size_t i = 0; i < f->count; i++) {
    int fd = open_file(f->file[i].path);
    if (fd >= 0) pml_output_reopen(f->file[i].out, fd);
    else if (failed) failed(f->file[i].path, strerror(errno), ud);
  }
  size_t n = f->count;
  pthread_mutex_unlock(&f->lock);
  return n;
}

void pml_log_files_free(pml_log_files *f) {
  if (!f) return;
  for (size_t i = 0; i < f->count; i++) {
    pml_output_free(f->file[i].out, END_MS);
    pml_free(f->file[i].path);
  }
  pthread_mutex_destroy(&f->lock);
  pml_free(f);
}
