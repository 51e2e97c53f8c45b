/* child: a program that runs beside the loop. It reads a text from its standard input;
 * what it writes to standard error, and how it ended, come back. */
#ifndef PML_LOOP_CHILD_H
#define PML_LOOP_CHILD_H

#include "base/buf.h"
#include "loop/loop.h"

typedef struct pml_child pml_child;

#define PML_CHILD_SAID_MAX 4096 /* more of its standard error is dropped */

/* It has ended by itself (signal 0) or by a signal; or its time was over: signal SIGKILL.
 * said: borrowed. The child is gone when this returns. */
typedef void (*pml_child_on_end_fn)(int status, int signal, pml_slice said, void *ud);

/* argv: NULL-terminated, argv[0] the path. input: shares. ms: its time. on_end comes later,
 * once. 0 and *out, valid until on_end; PML_EINVAL: the loop is virtual; PML_EIO. */
int pml_child_start(pml_loop *l, const char *const *argv, pml_buf *input, uint32_t ms,
                    pml_child_on_end_fn on_end, void *ud, pml_child **out);
/* Kills it; on_end does not come. */
void pml_child_cancel(pml_child *c);

#endif
