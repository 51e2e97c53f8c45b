/* conn: one client's socket: transport told by the first byte (protocol 7.2:
 * upper-case letter: HTTP and then WebSocket; 1..5: raw packages;
 * anything else is closed), reading, a bounded queue of outgoing blocks, flushed
 * once at the end of a turn with one system call, and a close that happens once.
 *
 * A conn is made by net/listener and freed by its own close callback, on no
 * other path. pml_conn_close may be called from anywhere, any number of times. */
#ifndef PML_NET_CONN_H
#define PML_NET_CONN_H

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop.h"
#include "loop/timer.h"

typedef struct pml_conn pml_conn;

/* How bytes came. */
enum { PML_STREAM, PML_TEXT, PML_BINARY };

/* Why it ended. The names are what logs and scripts get for the server's own reasons. */
typedef enum {
  PML_END_NONE,  /* still open */
  PML_END_PEER,  /* the client closed; end_code: WebSocket code (1005 none, 1006 no close frame), 0
                    on TCP */
  PML_END_ERROR, /* the socket failed */
  PML_END_ASKED, /* the server's own code asked for it */
  PML_END_PROTOCOL,  /* "protocol" */
  PML_END_TOOBIG,    /* "toobig" */
  PML_END_SLOW,      /* "slow": it does not read */
  PML_END_HANDSHAKE, /* "handshake": not done in time, or refused */
  PML_END_HEARTBEAT, /* "heartbeat" */
  PML_END_FULL       /* "full": over the limit of connections */
} pml_end;
const char *pml_end_name(pml_end why);

#define PML_CONN_NEVER UINT32_MAX

/* 0 stands for the number named. */
typedef struct {
  size_t queue_soft;     /* bytes queued that are tolerated for queue_ms, and as long as the peer
                            reads a good part of them in that time: 1 MiB */
  uint32_t queue_ms;     /* 5000 */
  size_t queue_hard;     /* bytes behind the oldest message: closed when the socket takes no more of
                            them at once: 8 MiB */
  uint32_t linger_ms;    /* how long a closing connection may take to flush and answer: 2000; while
                            its peer reads on, queue_ms */
  uint32_t upgrade_ms;   /* first byte to open (the HTTP request): 10000 */
  uint64_t ws_frame_max; /* a WebSocket frame's announced length: the largest package */
  uint32_t keep_alive_s; /* silence after which the system asks whether the peer is there, four
                            times within as long again: 60; PML_CONN_NEVER: it does not */
  int no_ring;           /* writes in the ordinary way, also where the kernel has io_uring */
} pml_conn_limits;

typedef struct {
  uint64_t accepted, refused, closed, open;              /* open: a gauge */
  uint64_t protocol, toobig, slow, handshake, heartbeat; /* ends by reason */
  uint64_t vanished;                    /* peers that did not answer the system's questions */
  uint64_t bytes_in, bytes_out, writes; /* writes: system calls */
  uint64_t pings;
  uint64_t heartbeats_unanswered, bad_json, bad_messages;
} pml_net_counts;

/* What a conn's user provides. The user's own data stands behind the conn
 * (pml_conn_user), zeroed before on_open. */
typedef struct {
  /* Transport known and, for WebSocket, upgraded. */
  void (*on_open)(pml_conn *c);
  /* A piece of the stream, or of a WebSocket message (fin with its last piece).
   * bytes are borrowed. 0, or PML_EPROTO / PML_ETOOBIG: the conn is closed for it.
   * An empty message is reported as one empty piece with fin. */
  int (*on_bytes)(pml_conn *c, int kind, pml_slice bytes, int fin);
  /* Exactly once for each conn accepted, also when on_open never came; no other
   * call comes after it. Never from inside pml_conn_send or pml_conn_close. */
  void (*on_end)(pml_conn *c, pml_end why, int end_code);
  size_t user_size;
} pml_conn_hooks;

void *pml_conn_user(pml_conn *c); /* borrowed, user_size bytes */
pml_conn *pml_conn_of_user(void *user);
pml_loop *pml_conn_loop(pml_conn *c);
void *pml_conn_owner(pml_conn *c); /* what the listener was given */
pml_net_counts *pml_conn_counts(pml_conn *c);
int pml_conn_is_ws(const pml_conn *c);
void pml_conn_address(pml_conn *c, char ip[46], int *port);

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

#endif
