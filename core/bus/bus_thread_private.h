/* bus_thread_private: what bus_thread and bus_thread_link share. All of it is for the bus's thread.
 */
#ifndef PML_BUS_BUS_THREAD_PRIVATE_H
#define PML_BUS_BUS_THREAD_PRIVATE_H

#include "bus/bus_private.h"
#include "bus/claimed.h"
#include "bus/discovery.h"
#include "bus/receiver.h"
#include "bus/remotes.h"
#include "bus/sender.h"

#include <pthread.h>

struct pml__bus_thread {
  pthread_t thread;
  pml_loop *l;
  pml_mailbox *commands, *records;
  pml_mailbox *events; /* of the program, held */
  pml_hub *hub;        /* held; NULL: a tool */
  pml__sender to;
  char why[1024];   /* what was last said about the link */
  uint64_t refused; /* when the broker refused something of a link that was up; 0: never */
  pml_discovery *d;
  pml__remotes *remotes;
  pml__claimed own;
  pml_timer retry, tick;
  pml_task flush;
  pml__receiver *in;
  pml__outbox_counts counted; /* of the outbox, so far */
  pml__bus_counters counts;
};

static inline void pml__bus_thread_tell(pml__bus_thread *t, pml__bus_msg *m) {
  pml__bus_msg_post(t->events, m);
}

/* After each input: what discovery has to say, and when it wants to be asked again. */
void pml__bus_thread_ticked(pml__bus_thread *t);

/* Connects, or says why not and tries again later. */
void pml__bus_thread_connect(pml__bus_thread *t);
void pml__bus_thread_retry(pml_timer *timer);
void pml__bus_thread_drop(pml__bus_thread *t); /* the connection, when there is one */
void pml__bus_thread_link(pml__bus_thread *t, const pml__bus_msg *m); /* a PML__BUS_LINK */
/* Claims of this id come to this process. For pml__claimed_each: ud is the thread; 0 or PML_EIO. */
int pml__bus_thread_subscribe(const char *id, void *ud);

#endif
