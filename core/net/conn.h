/* conn: one client's socket: transport told by the first byte (protocol 7.2:
 * upper-case letter: HTTP and then WebSocket; 1..5: raw packages;
 * anything else is closed), reading, a bounded queue of outgoing blocks, flushed
 * once at the end of a turn with one system call, and a close that happens once.
 *
 * A conn belongs to a set (net/conns). It is made by net/listener and freed by its own close
 * callback, on no other path. pml_conn_close may be called from anywhere, any number of times. */
#ifndef PML_NET_CONN_H
#define PML_NET_CONN_H

#include "net/conns.h"
#include "wire/reader.h" /* kinds of pieces */

const char *pml_end_name(pml_end why);

void *pml_conn_user(pml_conn *c); /* borrowed, user_size bytes */
pml_conn *pml_conn_of_user(void *user);
pml_loop *pml_conn_loop(pml_conn *c);
void *pml_conn_owner(pml_conn *c); /* what its set was given */
pml_net_counts *pml_conn_counts(pml_conn *c);
int pml_conn_is_ws(const pml_conn *c);
void pml_conn_address(pml_conn *c, char ip[46], int *port);
uint32_t pml_conn_age(const pml_conn *c);   /* milliseconds since it was accepted */
uint32_t pml_conn_quiet(const pml_conn *c); /* milliseconds since bytes last came */

/* Queues a frame (wire/frame). Shares it. Dropped when closing. Over the limits
 * the conn is closed as slow. */
void pml_conn_send(pml_conn *c, pml_buf *frame);
/* Queues raw bytes as a WebSocket message, for tools that speak no packages (ws-echo). Copies. */
void pml_conn_send_ws(pml_conn *c, uint8_t op, pml_buf *payload);
/* Sends a ping frame; nothing over TCP. The peer's system or its library answers it. */
void pml_conn_ping(pml_conn *c);
/* Ends it. PML_END_ASKED, HANDSHAKE, FULL: what is queued is flushed, a WebSocket close frame
 * with ws_code follows, then half-close, until the peer closes or linger_ms. PROTOCOL,
 * TOOBIG and HEARTBEAT over WebSocket: the close frame, then the same; SLOW over WebSocket: the
 * same without what is queued. ERROR and all over TCP but the first three: at once. */
void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code);
int pml_conn_closing(const pml_conn *c);
/* Calls fn for every open conn of the set; fn may close it. */
void pml_conn_each(pml_conns *of, void (*fn)(pml_conn *c, void *ud), void *ud);
/* pml_conn_close for each of them. */
void pml_conn_close_all(pml_conns *of, pml_end why, uint16_t ws_code);

#endif
