/* web_socket: what the page server does to a connection's socket beside libmicrohttpd, which owns
 * it: ends it, and looks how much of an answer the client has taken.
 *
 * For host/web_guard only. The caller holds a lock under which the socket stays open. */
#ifndef PML_HOST_WEB_SOCKET_H
#define PML_HOST_WEB_SOCKET_H

#include <stdint.h>

/* The system gives up what a client does not acknowledge in ms, also when the connection has been
 * closed on this side. */
void pml__web_socket_patience(int fd, uint32_t ms);
/* Ends the connection at once: libmicrohttpd sees an error and closes the socket, and what is
 * queued in the system is dropped. */
void pml__web_socket_end(int fd);
/* Bytes that the client's system has acknowledged since the connection began. */
uint64_t pml__web_socket_taken(int fd);
/* Whether bytes of an answer wait for the client in the system. */
int pml__web_socket_waits(int fd);

#endif
