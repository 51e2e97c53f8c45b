/* ring: hands all sends of one turn to the kernel together, through io_uring, so that a fan-out
 * costs one system call and not one per socket. Some kernels do not have it, and some systems
 * forbid it: then there is no ring, and the caller writes in the ordinary way.
 *
 * A send never waits: the socket takes what it can at once, as with write() on a
 * socket that does not block. All calls on the thread that made the ring. */
#ifndef PML_LOOP_RING_H
#define PML_LOOP_RING_H

#include <stddef.h>
#include <stdint.h>

typedef struct pml_ring pml_ring;

#define PML_RING_BATCH 256u /* sends that wait, at most */

/* Returns owned; NULL when the kernel has no io_uring that can send, or when the environment has
 * POMELUA_IO_URING=off. */
pml_ring *pml_ring_new(void);
void pml_ring_free(pml_ring *r); /* takes r (NULL is allowed); no send waits */

/* Registers the file behind fd with the kernel, which is half of what a ring saves. 1, or 0 when fd
 * is too large. Until some time after pml_ring_forget the kernel holds
 * the file, so that closing fd alone does not end the connection: shut it down. */
int pml_ring_remember(pml_ring *r, int fd);
void pml_ring_forget(pml_ring *r, int fd);

/* Adds a send of n bytes at p, which must stay until pml_ring_run, to fd, which is
 * remembered; flags as for send(); done gets ud. 0 when PML_RING_BATCH of them wait already,
 * else 1.
 */
int pml_ring_send(pml_ring *r, int fd, const void *p, size_t n, int flags, void *ud);
/* Sends all that waits, and calls done for each send with the number of bytes, or a negative errno.
 * -EAGAIN: the socket takes nothing now, or the kernel did not take the batch: the caller tries the
 * ordinary way. done must not add sends. */
void pml_ring_run(pml_ring *r, void (*done)(void *ud, int result));

#endif
