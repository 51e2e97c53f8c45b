/* log_files: the files of a program's log. Each is opened once, however many servers write it, and
 * has a writer thread of its own (base/output), so that no server waits for a disk. All functions
 * may be called from any thread. */
#ifndef PML_BASE_LOG_FILES_H
#define PML_BASE_LOG_FILES_H

#include "base/output.h"

#include <stddef.h>

#define PML_LOG_FILES 256 /* of a program */

typedef struct pml_log_files pml_log_files;

/* Owned. limit: bytes of lines that wait for each file. json: how lost lines are told. */
pml_log_files *pml_log_files_new(size_t limit, int json);
/* The writer of a file, which is appended to; its folders are made. Borrowed, until free. NULL,
 * with errno: it cannot be opened; ENFILE: there are too many. */
pml_output *pml_log_files_open(pml_log_files *f, const char *path);
/* Opens each anew, under its name: what had been there was moved away. Returns how many there are.
 * failed is told of each that cannot be opened; its lines go on into the old file. */
size_t pml_log_files_reopen(pml_log_files *f,
                            void (*failed)(const char *path, const char *why, void *ud), void *ud);
/* Takes f, when no other thread uses it: all is written, in bounded time. Harmless with NULL. */
void pml_log_files_free(pml_log_files *f);

#endif
