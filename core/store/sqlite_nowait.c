#include "store/sqlite_nowait.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define MARK ((int64_t)1 << 62) /* in the offset of a read that does not wait */

#define KINDS 2 /* of files: the usual vfs locks the database, and not the others */

/* The methods of a file: the usual ones but for the read. */
typedef struct {
  sqlite3_io_methods own;
  const sqlite3_io_methods *usual; /* NULL: no file of this kind was opened */
  int *met;
} methods;

struct pml__sqlite_nowait {
  sqlite3_vfs vfs; /* in SQLite's list */
  sqlite3_vfs *usual;
  const pml__sqlite *lib;
  methods methods[KINDS];
  int met;
  char name[40];
};

static ssize_t pread_here(int fd, void *buf, size_t n, off_t at) {
  if (!(at & MARK)) return pread(fd, buf, n, at);
  struct iovec v = {.iov_base = buf, .iov_len = n};
  ssize_t got = preadv2(fd, &v, 1, at & ~MARK, RWF_NOWAIT);
  if (got < 0 && errno == EINTR) errno = EAGAIN; /* SQLite would try again */
  return got;
}

/* Builds of SQLite differ in which one they use; those without either read by a position that is
 * set before, which no read with the mark can reach. */
static int replace(sqlite3_vfs *vfs, const char *call) {
  sqlite3_syscall_ptr own = (sqlite3_syscall_ptr)pread_here, is = vfs->xGetSystemCall(vfs, call);
  return is == own || (is && vfs->xSetSystemCall(vfs, call, own) == SQLITE_OK);
}

int pml__sqlite_nowait_prepare(const pml__sqlite *lib) {
  sqlite3_vfs *vfs = lib->sqlite3_vfs_find(NULL);
  if (!vfs || vfs->iVersion < 3 || !vfs->xSetSystemCall || !vfs->xGetSystemCall) return 0;
  int narrow = replace(vfs, "pread"), wide = replace(vfs, "pread64");
  return narrow || wide;
}

/* --- its vfs --------------------------------------------------------------------------------- */

static int no_sleep(sqlite3_vfs *vfs, int us) {
  (void)vfs;
  return us;
}

static int read_marked(sqlite3_file *f, void *buf, int n, sqlite3_int64 at) {
  methods *m = PML_CONTAINER(f->pMethods, methods, own);
  int rc = m->usual->xRead(f, buf, n, at | MARK), why = 0;
  if (rc == SQLITE_OK) return rc;
  if (rc == SQLITE_IOERR_SHORT_READ) { /* a library that reads otherwise finds nothing there */
    sqlite3_int64 size = 0;
    if (m->usual->xFileSize(f, &size) == SQLITE_OK && at + n > size) return rc;
    rc = SQLITE_IOERR_READ;
  } else {
    m->usual->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &why);
  }
  *m->met = why == EAGAIN ? PML_EAGAIN : PML_ENOENT;
  return rc;
}

/* Those for a file with these usual ones; NULL: this vfs has more kinds of files. */
static methods *methods_of(pml__sqlite_nowait *o, const sqlite3_io_methods *usual) {
  for (int i = 0; i < KINDS; i++) {
    methods *m = &o->methods[i];
    if (m->usual == usual) return m;
    if (m->usual) continue;
    *m = (methods){.own = *usual, .usual = usual, .met = &o->met};
    if (m->own.iVersion > 2)
      m->own.iVersion = 2; /* without mappings of the file, which are read without a call */
    m->own.xRead = read_marked;
    return m;
  }
  return NULL;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out) {
  pml__sqlite_nowait *o = PML_CONTAINER(vfs, pml__sqlite_nowait, vfs);
  int rc = o->usual->xOpen(o->usual, name, f, flags, out);
  if (rc || !f->pMethods) return rc;
  methods *m = methods_of(o, f->pMethods);
  if (m) {
    f->pMethods = &m->own;
    return rc;
  }
  f->pMethods->xClose(f);
  f->pMethods = NULL;
  return SQLITE_CANTOPEN;
}

pml__sqlite_nowait *pml__sqlite_nowait_new(const pml__sqlite *lib) {
  if (!pml__sqlite_nowait_prepare(lib)) return NULL;
  pml__sqlite_nowait *o = pml_alloc0(sizeof *o);
  o->lib = lib;
  o->usual = lib->sqlite3_vfs_find(NULL);
  o->vfs = *o->usual;
  snprintf(o->name, sizeof o->name, "pomelua-%p", (void *)o);
  o->vfs.pNext = NULL;
  o->vfs.zName = o->name;
  o->vfs.xOpen = open_file;
  o->vfs.xSleep = no_sleep;
  if (lib->sqlite3_vfs_register(&o->vfs, 0) == SQLITE_OK) return o;
  pml_free(o);
  return NULL;
}

void pml__sqlite_nowait_free(pml__sqlite_nowait *o) {
  if (!o) return;
  o->lib->sqlite3_vfs_unregister(&o->vfs);
  pml_free(o);
}

const char *pml__sqlite_nowait_name(const pml__sqlite_nowait *o) { return o->name; }

int pml__sqlite_nowait_met(pml__sqlite_nowait *o) {
  int met = o->met;
  o->met = 0;
  return met;
}
