/* sqlite_near: reads that a server does itself, on a connection of its own beside the threads of
 * the file.
 *
 * Most reads of a game are one row by its key, and take less time than to wake another thread and
 * to be woken by it. Such a read is done here when nothing of it can hold up the server: its
 * statement was quick on a thread of the file and is ready; its functions and values are short
 * ones; what it reads is in memory (sqlite_nowait); no lock is waited for; and it is interrupted
 * after a fraction of a millisecond. Where one of these fails the read goes to the threads as any
 * other, which is always right: a read changes nothing. */
#ifndef PML_STORE_SQLITE_NEAR_H
#define PML_STORE_SQLITE_NEAR_H

#include "store/sqlite_line.h"

typedef struct pml__sqlite_near pml__sqlite_near;

/* For one store. Borrows both; nothing is opened yet. Returns owned. */
pml__sqlite_near *pml__sqlite_near_new(pml_loop *l, pml__sqlite_line *line);
/* Before the file is left. */
void pml__sqlite_near_free(pml__sqlite_near *n);

/* A query outside of transactions. Borrows text and params; limits: of rows and bytes. 1: r is its
 * answer, without an error. 0: it is for the threads. */
int pml__sqlite_near_run(pml__sqlite_near *n, pml_slice text, pml_data *params,
                         const pml__sqlite_bounds *limits, pml__sqlite_result *r);
/* A thread has answered that query: us, of its result. */
void pml__sqlite_near_learn(pml__sqlite_near *n, pml_slice text, uint32_t us);

#endif
