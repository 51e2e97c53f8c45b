/* listener: a socket that accepts connections, into a set (net/conns) that it may share with
 * others. Over the set's max_conns, or when there are no file descriptors left, the new connection
 * is closed at once; no slot ever leaks. */
#ifndef PML_NET_LISTENER_H
#define PML_NET_LISTENER_H

#include "net/conns.h"

typedef struct pml_listener pml_listener;

/* Opens at once. host NULL: all addresses (both families where there are two); port 0: the system
 * picks one. to: borrowed until the listener is closed. Returns 0 or a negative libuv code
 * (uv_strerror), *out untouched; *out is owned. */
int pml_listener_open(pml_conns *to, const char *host, int port, pml_listener **out);
/* The same with a TCP socket that is bound, and perhaps listens: takes fd, also when it fails. */
int pml_listener_adopt(pml_conns *to, int fd, pml_listener **out);
int pml_listener_port(const pml_listener *s);
/* Takes s. Stops accepting; what was accepted stays. */
void pml_listener_close(pml_listener *s);

#endif
