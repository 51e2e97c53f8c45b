/* peer: Pomelo's package protocol on a conn: handshake, ACK, heartbeat, DATA, KICK
 * (protocol 3 to protocol 6, and protocol 8). It is the user of a conn: its hooks are given to a
 * set of conns whose owner is a pml_peer_host. */
#ifndef PML_NET_PEER_H
#define PML_NET_PEER_H

#include "net/conn.h"
#include "wire/behind.h"

typedef struct pml_peer pml_peer;
typedef enum {
  PML_PEER_INITED,
  PML_PEER_WAIT_ACK,
  PML_PEER_WORKING,
  PML_PEER_CLOSED
} pml_peer_state;

/* How a peer's connection ended, as listeners of `closed` get it. */
typedef struct {
  pml_end why;
  int ws_code;   /* PML_END_PEER over WebSocket; else 0 */
  int had_error; /* PML_END_ERROR */
  int is_ws;
  pml_slice reason; /* PML_END_ASKED: the reason given, p NULL for none; borrowed */
} pml_peer_end;

/* The owner of a set of conns. All events on the loop's thread, outside of
 * calls made by the host. */
typedef struct pml_peer_host {
  uint32_t package_before, package_after; /* limits of a client's package: 4 KiB, 64 KiB */
  uint32_t handshake_ms;                  /* accept to ACK: 10000 */
  uint32_t heartbeat_s;                   /* 0: none announced, sent, answered or missed */
  uint32_t ping_s;    /* without heartbeat_s: a WebSocket silent for so long gets
                         a ping frame; 0: none */
  uint32_t timeout_s; /* 0: twice heartbeat_s */
  const pml_log *log; /* borrowed */
  void (*on_open)(pml_peer *p, struct pml_peer_host *h); /* accepted: the session begins */
  /* The client's HANDSHAKE body. Answer, now or later, with pml_peer_handshake. Once per peer. */
  void (*on_handshake)(pml_peer *p, pml_slice body, struct pml_peer_host *h);
  void (*on_working)(pml_peer *p, struct pml_peer_host *h); /* the ACK came */
  /* A DATA package in state WORKING. 0, or PML_EPROTO or PML_EFULL: the peer is closed for it. */
  int (*on_data)(pml_peer *p, pml_slice body, struct pml_peer_host *h);
  /* The client sent what means nothing: a heartbeat too early, an ACK or a handshake again, DATA
   * before its ACK, a ping, a pong, an empty message or fragment. bytes: of a package's body. With
   * messages 0 it is no message: the body of a heartbeat that is answered. 0, or PML_EFULL as
   * on_data. NULL: nobody counts them. */
  int (*on_noise)(pml_peer *p, unsigned messages, size_t bytes, struct pml_peer_host *h);
  void (*on_end)(pml_peer *p, const pml_peer_end *end,
                 struct pml_peer_host *h); /* once, after on_open */
  /* So many messages came behind pml_peer_move, also after on_end: nobody takes them, and none is
   * answered. NULL: nobody counts them. */
  void (*on_behind)(struct pml_peer_host *h, const pml_behind_counts *counts);
  void *ud;
  pml_buf *beat;  /* private, starts NULL: the heartbeat, there while peers are */
  uint32_t peers; /* private, starts 0 */
} pml_peer_host;

/* Hooks for a set of conns: o->hooks = these, o->owner = the host. user_size: of what the host
 * keeps for each peer, which stands behind it, zeroed before on_open, aligned for pointers. */
pml_conn_hooks pml_peer_hooks(size_t user_size);

void *pml_peer_user(pml_peer *p); /* borrowed, gone after on_end */
pml_peer *pml_peer_of_user(void *user);
pml_conn *pml_peer_conn(pml_peer *p);
pml_peer_state pml_peer_state_of(const pml_peer *p);

/* The answer to the handshake, JSON text. code 200: state WAIT_ACK; any other:
 * sent, then closed. Ignored when the handshake was answered or the peer is closing. */
void pml_peer_handshake(pml_peer *p, int code, pml_slice json);
/* The same for an answer that refuses: code is not 200, and the connection ends for `why`. */
void pml_peer_refuse(pml_peer *p, int code, pml_slice json, pml_end why);
/* Queues a frame; dropped unless WORKING. Shares it. */
void pml_peer_send(pml_peer *p, pml_buf *frame);
/* The same for a push that may be replaced or dropped (pml_conn_offer). */
pml_offered pml_peer_offer(pml_peer *p, pml_buf *frame, pml_delivery how);
/* KICK {"reason":reason} when WORKING and reason.p is not NULL, then the flush, then the close
 * (WebSocket code 1000). reason is copied; what of it is not UTF-8 is sent as U+FFFD. */
void pml_peer_close(pml_peer *p, pml_slice reason);
/* The same for a reason of the server's own: text is what the KICK says, and the connection ends
 * for `why`. */
void pml_peer_end_for(pml_peer *p, pml_end why, pml_slice text);
/* The flush, then the close (WebSocket code 1001), and no KICK: the client may come back. reason is
 * passed to the host's on_end. */
void pml_peer_leave(pml_peer *p, pml_slice reason);
/* The same for a client that is to connect to another server: the close frame says `move`. What
 * comes behind it is counted. */
void pml_peer_move(pml_peer *p, pml_slice reason);

#endif
