/* watch: reports files that are created, removed or changed in a folder.
 *
 * A folder and not a file, because editors that save by renaming replace the file, and a watch
 * would stay with the old one. An event says only that something happened: names may be missing,
 * come twice, or belong to files that are gone again. A folder that was removed and created again
 * has to be watched anew. */
#ifndef PML_LOOP_WATCH_H
#define PML_LOOP_WATCH_H

#include "loop/loop.h"

typedef struct pml_watch pml_watch;
/* name: in the folder, borrowed; NULL when the system gives none. The callback may close the watch.
 */
typedef void (*pml_watch_on_event_fn)(const char *name, void *ud);

/* 0 and *out, owned. PML_ENOENT: there is no such folder; PML_EFULL: the system's limit of watches
 * is reached; PML_EINVAL: the loop is virtual; PML_EIO. */
int pml_watch_open(pml_loop *l, const char *folder, pml_watch_on_event_fn on_event, void *ud,
                   pml_watch **out);
/* Takes w (NULL is allowed). No event follows; the loop frees it later. */
void pml_watch_close(pml_watch *w);

#endif
