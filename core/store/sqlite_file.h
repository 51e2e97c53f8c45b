/* sqlite_file: a file of SQLite with threads of its own, one that writes and at most two that read,
 * shared by the stores that have it open. A reader starts when reads wait; a connection that has
 * had nothing to do for five minutes is closed, its thread stays. */
#ifndef PML_STORE_SQLITE_FILE_H
#define PML_STORE_SQLITE_FILE_H

#include "store/sqlite.h"
#include "store/sqlite_line.h"

typedef struct pml__sqlite_file pml__sqlite_file;

/* The file of that path, for one more store. files NULL: for this one alone. Returns NULL with a
 * sentence in err: no library, no thread. Any thread, as all that follows. */
pml__sqlite_file *pml__sqlite_file_open(pml_sqlite_files *files, const char *path, char *err,
                                        size_t nerr);
/* A store has it no more; its jobs are stopped. The threads end by themselves. */
void pml__sqlite_file_leave(pml__sqlite_file *f);
pml__sqlite_line *pml__sqlite_file_line(pml__sqlite_file *f);
/* Takes the jobs of the list. */
void pml__sqlite_file_add(pml__sqlite_file *f, pml_list *jobs);
/* As pml__sqlite_line_end_tx, without the lock. */
void pml__sqlite_file_end_tx(pml__sqlite_file *f, uint64_t client, uint64_t tx);

#endif
