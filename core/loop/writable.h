/* writable: tells which sockets take more bytes. libuv tells it only for data that it was given,
 * and what it was given cannot be taken back; net keeps the queue of some connections to itself
 * until the socket takes it.
 *
 * The sockets stand in an epoll instance of their own, which the loop watches: that costs one
 * descriptor for all of them. All calls on the loop's thread. */
#ifndef PML_LOOP_WRITABLE_H
#define PML_LOOP_WRITABLE_H

#include "loop/loop.h"

typedef struct pml_writable pml_writable;

/* ready(ud) is called when a socket takes bytes, or has failed; it may call pml_writable_wait and
 * pml_writable_forget. Returns owned; NULL: the loop is virtual, or the system has no descriptor
 * left. */
pml_writable *pml_writable_new(pml_loop *l, void (*ready)(void *ud));
/* Takes w (NULL is allowed). No call of ready follows; the loop frees it later. */
void pml_writable_free(pml_writable *w);
/* ready(ud) is called once. 0, or a negative errno. */
int pml_writable_wait(pml_writable *w, int fd, void *ud);
/* fd is about to be closed: no call of ready follows for it. Harmless for a socket that was never
 * waited for. */
void pml_writable_forget(pml_writable *w, int fd);

#endif
