/* conn: one client's socket. What comes in is read by wire/reader (protocol 7.2); what goes out is
 * queued, within bounds, and written at the end of the turn with one system call; the close happens
 * once.
 *
 * A conn belongs to a set (net/conns). It is made by net/listener and freed by its own close
 * callback, on no other path. pml_conn_close may be called from anywhere, any number of times. */
#ifndef PML_NET_CONN_H
#define PML_NET_CONN_H

#include "base/cidr.h"
#include "base/delivery.h"
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
/* The client's address, also behind a trusted proxy; *port 0: the proxy does not tell it. 0;
 * PML_ENOENT: the connection is gone. */
int pml_conn_client(pml_conn *c, pml_address *from, uint16_t *port);
/* The same as text, "" and 0 when it is gone. */
void pml_conn_address(pml_conn *c, char ip[PML_ADDRESS_TEXT], int *port);
/* The HTTP request that opened the WebSocket, its first 8 KiB in whole lines; empty: it was not
 * kept, or came over TCP. Borrowed until pml_conn_forget_head, which whoever has read it calls. */
pml_slice pml_conn_head(const pml_conn *c);
void pml_conn_forget_head(pml_conn *c);
/* What TLS has negotiated, borrowed until the connection ends; 0: it is not encrypted. */
int pml_conn_encryption(const pml_conn *c, pml_tls_facts *out);
/* Its handshake is over: it counts no more among those of its address that have not finished. */
void pml_conn_finished(pml_conn *c);
/* Its client, whose connection has just ended, waits without one: it counts among the connections
 * and among those of its address, for new clients. */
void pml_conn_take_seat(pml_conn *c, pml_seat *seat);
/* Whether a new client has room beside those that wait: NONE; FULL or ADDRESS: it has none, which
 * was counted. */
pml_end pml_conn_room(pml_conn *c);
uint32_t pml_conn_age(const pml_conn *c);   /* milliseconds since it was accepted */
uint32_t pml_conn_quiet(const pml_conn *c); /* milliseconds since bytes last came */

/* To be asked after each package of c that was taken in on_bytes: whether c has had its share of
 * this turn, in packages or in time. Then no more is taken: the others have their turns first. */
int pml_conn_had_share(pml_conn *c);

/* Queues a frame (wire/frame). Shares it. Drops it when the conn is closing. A conn whose queue is
 * over the limits is closed as slow. */
void pml_conn_send(pml_conn *c, pml_buf *frame);
/* The same for a push that is replaced or dropped while the client is behind (base/delivery). The
 * first one changes the connection for good: of what the system has not sent, the system holds
 * little and the queue the rest. */
pml_offered pml_conn_offer(pml_conn *c, pml_buf *frame, pml_delivery how);
/* Queues raw bytes as a WebSocket message, for tools that speak no packages (ws-echo). Copies. */
void pml_conn_send_ws(pml_conn *c, uint8_t op, pml_buf *payload);
/* Sends a ping frame, which the client's WebSocket library answers; nothing over TCP. */
void pml_conn_ping(pml_conn *c);
/* Closes the connection; harmless when it is closing. In order:
 *  - ASKED, HANDSHAKE, FULL, BANNED, ADDRESS: the queue is flushed; a WebSocket gets a close frame
 *    with ws_code; the server's half is shut; the end comes when the client closes, or after
 *    linger_ms.
 *  - PROTOCOL, TOOBIG, PACKAGE, RATE, HEARTBEAT over WebSocket: the same.
 *  - SLOW over WebSocket: the same, but the queue is given up.
 *  - ERROR, MEMORY, and over TCP the last six: at once. */
void pml_conn_close(pml_conn *c, pml_end why, uint16_t ws_code);
/* Closes the connection for ASKED, in the same order, with PML_WS_GOING_AWAY. A WebSocket's close
 * frame has the reason as its text (NULL: none; borrowed). What comes behind it is read as well,
 * and told on_behind. */
void pml_conn_leave(pml_conn *c, const char *reason);
int pml_conn_closing(const pml_conn *c);
/* Called by on_bytes each time: the number of the package of the stream that is cut in the middle
 * after these bytes, 0 when none is (pml_package_number), and how many bytes are kept of it. */
void pml_conn_cut(pml_conn *c, uint32_t number, uint32_t bytes);
/* Calls fn for every open conn of the set; fn may close it. */
void pml_conn_each(pml_conns *of, void (*fn)(pml_conn *c, void *ud), void *ud);
/* pml_conn_close for each of them. */
void pml_conn_close_all(pml_conns *of, pml_end why, uint16_t ws_code);
/* The lists of the gate have changed: closes the connections that they keep out. */
void pml_conns_ask_again(pml_conns *of);

#endif
