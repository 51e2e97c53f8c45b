/* crash: the last line of a process that a fault ends: which server, what it ran, of which
 * generation. The signal's own action follows, so that a core is still made.
 *
 * The handler runs on a stack of its own, since a stack that is full is one of the faults, and
 * calls nothing but what a signal handler may. */
#ifndef PML_SCRIPT_CRASH_H
#define PML_SCRIPT_CRASH_H

#include "base/log.h"
#include "script/budget.h"

typedef struct pml_crash_place pml_crash_place;

/* For the process: SIGSEGV, SIGBUS, SIGABRT, SIGILL and SIGFPE. */
void pml_crash_catch(void);
/* For the calling thread, until leave from the same thread: copies the log's server and form,
 * borrows s. Returns owned; NULL: no memory. */
pml_crash_place *pml_crash_enter(const pml_log *log, const pml_budget_slot *s);
void pml_crash_leave(pml_crash_place *p); /* NULL is allowed */

#endif
