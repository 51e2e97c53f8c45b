/* child: a child process. It is given a text on its standard input; the callback gets what it wrote
 * to standard error, and how it ended. */
#ifndef PML_LOOP_CHILD_H
#define PML_LOOP_CHILD_H

#include "base/buf.h"
#include "loop/loop.h"

typedef struct pml_child pml_child;

#define PML_CHILD_SAID_MAX 4096 /* more of its standard error is dropped */

/* The process ended by itself (signal 0) or by a signal; SIGKILL also when its time was over. said:
 * what it wrote, borrowed. The pml_child is freed after the callback. */
typedef void (*pml_child_on_end_fn)(int status, int signal, pml_slice said, void *ud);

/* argv: NULL-terminated, argv[0] the path. input: shares. ms: its time. on_end comes later,
 * once. 0 and *out, valid until on_end; PML_EINVAL: the loop is virtual; PML_EIO. */
int pml_child_start(pml_loop *l, const char *const *argv, pml_buf *input, uint32_t ms,
                    pml_child_on_end_fn on_end, void *ud, pml_child **out);
/* Kills it; on_end does not come. */
void pml_child_cancel(pml_child *c);

#endif
