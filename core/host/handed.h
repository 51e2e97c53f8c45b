/* handed: listening sockets that the service manager hands over, by the protocol of
 * sd_listen_fds(3): LISTEN_PID is this process, LISTEN_FDS sockets begin at descriptor 3, and
 * LISTEN_FDNAMES may name each. They stay open for as long as the program lives, so that a listener
 * that is closed and opened again loses no client: listeners get copies.
 *
 * A socket belongs to the listener with its name (the id of a server), or else to the one with its
 * address and port. Private to this folder. */
#ifndef PML_HOST_HANDED_H
#define PML_HOST_HANDED_H

#include <stddef.h>

typedef struct pml__handed pml__handed;

/* Takes the variables out of the environment, and the sockets, which close on exec from now on. 0:
 * *out is owned, or NULL when nothing was handed over. PML_EINVAL with the reason in err: one of
 * them is no listening TCP socket. */
int pml__handed_new(pml__handed **out, char *err, size_t nerr);
void pml__handed_free(pml__handed *h); /* NULL is allowed */
/* A copy of the socket for a listener, owned; -1: there is none. name: a server's id, or NULL. host
 * NULL: all addresses. h: NULL is allowed. From any thread. */
int pml__handed_take(pml__handed *h, const char *name, const char *host, int port);
/* Whether a socket has been for nobody so far; text says which. */
int pml__handed_left(pml__handed *h, char *text, size_t size);

#endif
