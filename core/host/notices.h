/* notices: the warnings of servers while they start, each once. Equal texts of several servers
 * become one line that names them. Owned by one thread. */
#ifndef PML_HOST_NOTICES_H
#define PML_HOST_NOTICES_H

#include "base/list.h"

typedef struct {
  pml_list texts; /* private */
} pml__notices;

/* One line. server: the server that gave it; "": several did, and text names them. */
typedef void (*pml__notices_say_fn)(const char *server, const char *text, void *ud);

void pml__notices_init(pml__notices *n);
/* Borrows. lines: texts with a line break between them; empty ones do not count. */
void pml__notices_add(pml__notices *n, const char *server, const char *lines);
/* Says all of them, in the order in which they came first, and forgets them. */
void pml__notices_say(pml__notices *n, pml__notices_say_fn say, void *ud);
void pml__notices_clear(pml__notices *n);

#endif
