/* sqlite: the driver for files of SQLite.
 *
 * A file has threads of its own, one for each connection: one that writes and at most two that
 * read. All servers of a program share them (pml_sqlite_files, which the program owns), so a file
 * has one writer however many servers use it.
 *
 * At once: no thread; a statement runs where it is submitted, and its answer comes at the end of
 * the turn. For virtual loops, whose time stands still meanwhile, and for commands. */
#ifndef PML_STORE_SQLITE_H
#define PML_STORE_SQLITE_H

#include "store/store.h"

typedef struct pml_sqlite_files pml_sqlite_files;

/* Returns owned. */
pml_sqlite_files *pml_sqlite_files_new(void);
/* Takes f (NULL is allowed). All stores of its files are closed; waits for their threads. */
void pml_sqlite_files_free(pml_sqlite_files *f);

#define PML_SQLITE_TX_MS 2000

typedef struct {
  const char *file;        /* copied; ":memory:": in memory, of this store alone */
  int at_once;             /* as above; a virtual loop always is */
  uint32_t tx_ms;          /* how long a transaction may hold the writer; PML_SQLITE_TX_MS */
  pml_sqlite_files *files; /* borrowed until the store is closed; NULL: no other store shares it */
} pml_sqlite_options;

/* Borrows the loop. The file is opened, and made, at the first call. Returns owned, or NULL with
 * one sentence in err: the library is missing, a thread cannot be made. */
pml_store *pml_sqlite_open(pml_loop *l, const pml_sqlite_options *o, const pml_store_limits *limits,
                           char *err, size_t nerr);

#endif
