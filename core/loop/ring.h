/* ring: the sends of one turn, handed to the kernel together through io_uring, so
 * that a fan-out costs one system call and not one per socket. Not every kernel has
 * it, and some forbid it: then there is no ring, and its user writes in the ordinary way.
 *
 * A send never waits: the socket takes what it can at once, as with write() on a
 * socket that does not block. All calls on the thread that made the ring. */
#ifndef PML_LOOP_RING_H
#define PML_LOOP_RING_H

#include <stddef.h>
#include <stdint.h>

typedef struct pml_ring pml_ring;

#define PML_RING_BATCH 256u /* sends that wait, at most */

/* Returns owned; NULL when the kernel has none that serves, or when the environment
 * says POMELUA_IO_URING=off. */
pml_ring *pml_ring_new(void);
void pml_ring_free(pml_ring *r); /* NULL is allowed; nothing waits */

/* Keeps the file behind fd at hand, which is half of what a ring saves. Whether it
 * does: not when fd is too large. Until some time after pml_ring_forget the kernel holds
 * the file, so that closing fd alone does not end the connection: shut it down. */
int pml_ring_remember(pml_ring *r, int fd);
void pml_ring_forget(pml_ring *r, int fd);

/* Adds a send of n bytes at p, which stay until pml_ring_run, to fd, which is remembered;
 * ud is its name. 0 when PML_RING_BATCH of them wait already, else 1. */
int pml_ring_send(pml_ring *r, int fd, const void *p, size_t n, void *ud);
/* Sends all that waits, and calls done for each: how many bytes went, or a negative
 * errno. -EAGAIN: the socket takes nothing now, or the kernel does not take the batch, and the
 * ordinary way is to be tried. done adds nothing. */
void pml_ring_run(pml_ring *r, void (*done)(void *ud, int result));

#endif
