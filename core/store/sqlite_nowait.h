/* sqlite_nowait: reads of SQLite that a disk cannot hold up, for the thread of a server.
 *
 * A connection that is opened by this vfs (SQLite's layer for files) reads only what the kernel has
 * in memory (preadv2 with RWF_NOWAIT), and it does not sleep. Where it would have to wait, SQLite
 * gives an error, and the statement can be run elsewhere. In all else it is the usual vfs of the
 * library.
 *
 * How: SQLite reads by a function of its table of system calls (sqlite3_vfs.xSetSystemCall), which
 * a read of this vfs reaches with one more bit in its offset. The function that stands there in its
 * place knows such a read by that bit, and does for every other one what the usual one does. */
#ifndef PML_STORE_SQLITE_NOWAIT_H
#define PML_STORE_SQLITE_NOWAIT_H

#include "store/sqlite_library.h"

typedef struct pml__sqlite_nowait pml__sqlite_nowait;

/* Puts the function into the table of the library, once or more often: before another thread uses
 * the library. Whether it stands there. */
int pml__sqlite_nowait_prepare(const pml__sqlite *lib);

/* A vfs for one connection. Borrows lib. Returns owned, or NULL: the library has no such table. */
pml__sqlite_nowait *pml__sqlite_nowait_new(const pml__sqlite *lib);
/* When its connection is closed; NULL is allowed. */
void pml__sqlite_nowait_free(pml__sqlite_nowait *n);
/* For sqlite3_open_v2; borrowed. */
const char *pml__sqlite_nowait_name(const pml__sqlite_nowait *n);
/* What its reads have met since the last call: 0: all were done. PML_EAGAIN: one would have had to
 * wait. PML_ENOENT: the kernel or the file system cannot tell, and never will. */
int pml__sqlite_nowait_met(pml__sqlite_nowait *n);

#endif
