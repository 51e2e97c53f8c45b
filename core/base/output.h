/* output: lines for a descriptor, written by a thread of their own, so that a server that logs does
 * not wait for the reader of the log. The queue of whole lines is bounded. Lines for which there is
 * no room are counted, and a line says how many they were once there is room again.
 *
 * The descriptor may be anything: a file, a pipe with or without O_NONBLOCK that others write
 * to as well, a terminal. A line of up to 4 KiB goes to a pipe in one piece; none is cut,
 * unless the process ends while its reader stands still.
 *
 * In a process that was forked off there is no thread: there a line is written at once. */
#ifndef PML_BASE_OUTPUT_H
#define PML_BASE_OUTPUT_H

#include "base/buf.h"

typedef struct pml_output pml_output;

typedef struct {
  int fd;                                     /* borrowed */
  size_t limit;                               /* bytes queued, with 64 for each line */
  pml_buf *(*lost)(uint64_t lines, void *ud); /* makes the line about lost ones; NULL: none */
  void *ud;
} pml_output_options;

/* NULL when there can be no thread. */
pml_output *pml_output_new(const pml_output_options *o);
/* The descriptor is the output's from now on, which closes it at the end. */
void pml_output_own(pml_output *o);
/* Lines that are written from now on go to fd, which the output owns; the one before is closed when
 * what is being written has ended. Only for an output that owns its descriptor. */
void pml_output_reopen(pml_output *o, int fd);
/* Queues a whole line; takes the reference. From any thread. */
void pml_output_put(pml_output *o, pml_buf *line);
/* The same for a line that comes before the end of the process: it finds room. */
void pml_output_put_last(pml_output *o, pml_buf *line);
/* For the end of the process: waits until all that was queued is written, at most ms, and at
 * most a quarter of it without any byte getting through. A pipe that is full is then made
 * larger, and the wait begins anew. Whether all is written. */
int pml_output_flush(pml_output *o, uint32_t ms);
/* Flushes, and ends the thread. When it hangs in the descriptor, it is left to the end of the
 * process, and so is o. Harmless with NULL. */
void pml_output_free(pml_output *o, uint32_t ms);
/* Lines lost so far. */
uint64_t pml_output_lost(pml_output *o);

/* Writes at once, and waits at most ms for room each time. Whether all was written. Safe in
 * handlers of signals. */
int pml_output_write(int fd, const void *p, size_t n, uint32_t ms);

#endif
