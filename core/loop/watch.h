/* watch: a folder that is looked at: names that come, go or change in it are told.
 *
 * A folder, not a file: who saves by renaming takes the watch of a file away with the
 * old file. What is told says only that something happened: names may be missing, come
 * twice or be of files that have gone again. A folder that was removed and made again
 * has to be watched anew. */
#ifndef PML_LOOP_WATCH_H
#define PML_LOOP_WATCH_H

#include "loop/loop.h"

typedef struct pml_watch pml_watch;
/* name: in the folder, borrowed; NULL when the system does not say. It may close the watch. */
typedef void (*pml_watch_on_event_fn)(const char *name, void *ud);

/* 0 and *out, owned. PML_ENOENT: there is no such folder; PML_EFULL: the system watches as
 * many as it may; PML_EINVAL: the loop is virtual; PML_EIO. */
int pml_watch_open(pml_loop *l, const char *folder, pml_watch_on_event_fn on_event, void *ud,
                   pml_watch **out);
/* Takes w (NULL is allowed). No more events. The loop frees it later. */
void pml_watch_close(pml_watch *w);

#endif
