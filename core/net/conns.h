/* conns: what the connections of one loop share: limits, hooks, counters, the buffers that they
 * are read into and gathered in, the ring, and the list of those that are flushed when the turn
 * ends. Listeners (net/listener) bring connections in, any number of them into one set: their
 * writes go out together. Two sets on one loop know nothing of each other.
 *
 * All calls on the loop's thread. */
#ifndef PML_NET_CONNS_H
#define PML_NET_CONNS_H

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop.h"

typedef struct pml_conn pml_conn;
typedef struct pml_conns pml_conns;

/* Why a connection ended. For the server's own reasons logs and scripts get the names in quotes. */
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

#define PML_CONN_NEVER UINT32_MAX

/* All are set by the owner of the set (node/config); 0 is no default. */
typedef struct {
  size_t queue_soft;     /* bytes: a queue may be longer for queue_ms, and for as long as the client
                            reads a good part of it in that time */
  uint32_t queue_ms;     /* see queue_soft */
  size_t queue_hard;     /* bytes behind the oldest message: when there are more, and the socket
                            does not take them at once, the connection is closed */
  uint32_t linger_ms;    /* how long a closing connection may take to flush and to be answered;
                            queue_ms while the client still reads */
  uint32_t upgrade_ms;   /* how long the first package or the HTTP request may take */
  uint64_t ws_frame_max; /* a WebSocket frame's announced length */
  uint32_t keep_alive_s; /* seconds of silence after which the system probes the client, four times
                            within as long again; PML_CONN_NEVER: no probes */
  int no_ring;           /* 1: io_uring is not used, also where the kernel has it */
} pml_conn_limits;

typedef struct {
  uint64_t accepted, refused, closed, open;              /* open: a gauge */
  uint64_t protocol, toobig, slow, handshake, heartbeat; /* ends by reason */
  uint64_t vanished;                    /* clients that did not answer the system's probes */
  uint64_t bytes_in, bytes_out, writes; /* writes: system calls */
  uint64_t pings;
  uint64_t heartbeats_unanswered, bad_json, bad_messages;
} pml_net_counts;

/* What the owner of the connections provides. Its data of one connection stands behind the conn
 * (pml_conn_user), zeroed before on_open. */
typedef struct {
  /* The transport is known; a WebSocket is open. */
  void (*on_open)(pml_conn *c);
  /* A piece of the stream, or of a WebSocket message (fin with its last piece); kind: wire/reader.
   * bytes are borrowed. 0, or PML_EPROTO / PML_ETOOBIG: the conn is closed for it.
   * An empty message is reported as one empty piece with fin. */
  int (*on_bytes)(pml_conn *c, int kind, pml_slice bytes, int fin);
  /* Called exactly once for each accepted conn, also without on_open before; no other hook is
   * called after it. Never from inside pml_conn_send or pml_conn_close. */
  void (*on_end)(pml_conn *c, pml_end why, int end_code);
  size_t user_size;
} pml_conn_hooks;

typedef struct {
  size_t max_conns; /* of all listeners together */
  pml_conn_limits limits;
  pml_conn_hooks hooks;
  void *owner;        /* pml_conn_owner */
  const pml_log *log; /* borrowed; NULL: none */
} pml_conns_options;

/* Copies the options. Returns owned; NULL: the loop is virtual. */
pml_conns *pml_conns_new(pml_loop *l, const pml_conns_options *o);
/* Takes s. It is freed, and on_closed(ud) called, in a later turn, once its last connection and its
 * last listener are gone: the caller closes them (pml_conn_close_all, pml_listener_close). */
void pml_conns_free(pml_conns *s, void (*on_closed)(void *ud), void *ud);

size_t pml_conns_count(const pml_conns *s);                 /* open now */
const pml_net_counts *pml_conns_counts(const pml_conns *s); /* borrowed */

#endif
