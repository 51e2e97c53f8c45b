/* conn: one client's socket. What comes in is read by wire/reader (protocol 7.2); what goes out is
 * queued, within bounds, and written at the end of the turn with one system call; the close happens
 * once.
 *
 * A conn belongs to a set (net/conns). It is made by net/listener and freed by its own close
 * callback, on no other path. pml_conn_close may be called from anywhere, any number of times. */
#ifndef PML_NET_CONN_H
#define PML_NET_CONN_H

#include "base/limits.h"
#include "net/conns.h"
#include "wire/reader.h" /* kinds of pieces */

const char *pml_end_name(pml_end why);

void *pml_conn_user(pml_conn *c); /* borrowed, user_size bytes */
pml_conn *pml_conn_of_user(void *user);
pml_loop *pml_conn_loop(pml_conn *c);
void *pml_conn_owner(pml_conn *c); /* what its set was given */
pml_net_counts *pml_conn_counts(pml_conn *c);
int pml_conn_is_ws(const pml_conn *c);
#include "base/limits.h"
void pml_conn_address(pml_conn *c, char ip[PML_ADDRESS_TEXT], int *port);
uint32_t pml_conn_age(const pml_conn *c);   /* milliseconds since it was accepted */
uint32_t pml_conn_quiet(const pml_conn *c); /* milliseconds since bytes last came */

/* Queues a frame (wire/frame). Shares it. Drops it when the conn is closing. A conn whose queue is
 * over the limits is closed as slow. */
void pml_conn_send(pml_conn *c, pml_buf *frame);
/* Queues raw bytes as a WebSocket message, for tools that speak no packages (ws-echo). Copies. */
void pml_conn_send_ws(pml_conn *c, uint8_t op, pml_buf *payload);
/* Sends a ping frame, which the client's WebSocket library answers; nothing over TCP. */
void pml_conn_ping(pml_conn *c);
/* Closes the connection; harmless when it is closing. In order:
 *  - ASKED, HANDSHAKE, FULL: the queue is flushed; a WebSocket gets a close frame with ws_code; the
 *    server's half is shut; the end comes when the client closes, or after linger_ms.
 *  - PROTOCOL, TOOBIG, HEARTBEAT over WebSocket: the same.
 *  - SLOW over WebSocket: the same, but the queue is given up.
 *  - ERROR, and over TCP the last four: at once. */
void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code);
int pml_conn_closing(const pml_conn *c);
/* Calls fn for every open conn of the set; fn may close it. */
void pml_conn_each(pml_conns *of, void (*fn)(pml_conn *c, void *ud), void *ud);
/* pml_conn_close for each of them. */
void pml_conn_close_all(pml_conns *of, pml_end why, uint16_t ws_code);

#endif
