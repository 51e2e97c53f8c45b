/* notices: what servers have to say once while they start. Equal texts of several servers
 * become one line that names them. Owned by one thread. */
#ifndef PML_HOST_NOTICES_H
#define PML_HOST_NOTICES_H

#include "base/list.h"

typedef struct {
  pml_list texts; /* private */
} pml_notices;

/* One line: server is the one that said it, "" when there are several, whom text names then. */
typedef void (*pml_notices_say_fn)(const char *server, const char *text, void *ud);

void pml_notices_init(pml_notices *n);
/* Borrows. lines: texts with a line break between them; empty ones do not count. */
void pml_notices_add(pml_notices *n, const char *server, const char *lines);
/* Says all of them, in the order in which they came first, and forgets them. */
void pml_notices_say(pml_notices *n, pml_notices_say_fn say, void *ud);
void pml_notices_clear(pml_notices *n);

#endif
