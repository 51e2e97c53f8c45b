/* mysql_session: what a thread does at its desk: connects, runs calls, cleans up, and leaves. */
#ifndef PML_STORE_MYSQL_SESSION_H
#define PML_STORE_MYSQL_SESSION_H

#include "store/mysql_desk.h"

/* On the desk's thread: does d->what, and waits for the server. */
void pml__mysql_work(pml__mysql_desk *d);

#endif
