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
#include "net/tls_context.h"

typedef struct pml_conn pml_conn;
typedef struct pml_conns pml_conns;
typedef struct pml_gate pml_gate; /* net/gate */

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
  PML_END_FULL,      /* "full": over the limit of connections */
  PML_END_BANNED,    /* "banned": its user or its address is banned */
  PML_END_PACKAGE,   /* "package": one that it began does not come to its end */
  PML_END_MEMORY,    /* "memory": its part of what all clients hold is the largest */
  PML_END_ADDRESS,   /* "address": its address may not come in, or not any more */
  PML_END_RATE       /* "rate": it sends more than it may */
} pml_end;

#define PML_CONN_NEVER UINT32_MAX

/* All are set by the owner of the set (node/config); 0 is no default. */
typedef struct {
  size_t queue_soft;   /* bytes: a queue may be longer for queue_ms, and for as long as the client
                          reads a good part of it in that time */
  uint32_t queue_ms;   /* see queue_soft; any queue: for as long as the client reads a byte of what
                          was sent to it in that time */
  size_t queue_hard;   /* bytes behind the oldest message: when there are more, and the socket
                          does not take them at once, the connection is closed */
  uint32_t linger_ms;  /* how long a closing connection may take to flush and to be answered;
                          queue_ms while the client still reads */
  uint32_t upgrade_ms; /* how long the first package or the HTTP request may take */
  uint32_t package_ms; /* how long a package, a WebSocket message or a frame that has begun may
                          take, and each 1,000 bytes of it give it a second more, but never more
                          than package_ms from then on; 0: for ever */
  uint64_t memory;     /* bytes that the queues and cut packages of all clients may take together,
                          see pml_client_memory; 0: any number */
  uint64_t ws_frame_max; /* a WebSocket frame's announced length */
  uint32_t keep_alive_s; /* seconds of silence after which the system probes the client, four times
                            within as long again; PML_CONN_NEVER: no probes */
  uint32_t tls_shakes;   /* TLS handshakes under way at a time; more wait */
  uint32_t tls_per_s;    /* TLS handshakes that begin in a second; more wait */
  int no_ring;           /* 1: io_uring is not used, also where the kernel has it */
} pml_conn_limits;

typedef struct {
  uint64_t accepted, refused, closed, open;                      /* open: a gauge */
  uint64_t protocol, toobig, slow, handshake, heartbeat, banned; /* ends by reason */
  uint64_t package, memory, rate;                                /* the same */
  uint64_t address; /* the same: net/gate. Below: who was refused, and why */
  uint64_t address_denied, address_connections, address_per_second, address_handshakes;
  uint64_t origins;  /* upgrades of pages that may not connect */
  uint64_t proxied;  /* clients of trusted proxies */
  uint64_t vanished; /* clients that did not answer the system's probes */
  uint64_t trims;    /* times that free memory was given back to the system (net/trim) */
  uint64_t bytes_in, bytes_out, writes; /* writes: system calls */
  uint64_t replaced, dropped;           /* pushes: pml_conn_offer */
  uint64_t shares; /* how often a connection had its share of a turn, and what was left waited */
  uint64_t pings;
  /* TLS. tls_begun: handshakes whose first record was whole; each ends as one of the four behind
   * it. tls_hello: connections whose first record was no ClientHello. tls_broken: errors after the
   * handshake, and tls_renegotiations those of clients that wanted another one. */
  uint64_t tls_begun, tls_done, tls_failed, tls_late, tls_left;
  uint64_t tls_resumed, tls_hello, tls_broken, tls_renegotiations;
  uint64_t tls_plain;      /* closed: plain text on a TLS port */
  uint64_t tls_not_spoken; /* closed: TLS on a port that has no certificate */
  uint64_t heartbeats_unanswered, bad_json, bad_messages;
} pml_net_counts;

/* What the owner of the connections provides. Its data of one connection stands behind the conn
 * (pml_conn_user), zeroed before on_open. */
typedef struct {
  /* The transport is known; a WebSocket is open. */
  void (*on_open)(pml_conn *c);
  /* A piece of the stream, or of a WebSocket message (fin with its last piece); kind: wire/reader.
   * bytes are borrowed. 0; how many bytes at the end were not taken, after pml_conn_had_share: they
   * come again in a later turn; or PML_EPROTO, PML_ETOOBIG, PML_EFULL (for which the reason is
   * "rate"): the conn is closed for it.
   * An empty message is reported as one empty piece with fin. */
  int (*on_bytes)(pml_conn *c, int kind, pml_slice bytes, int fin);
  /* The same of what comes behind pml_conn_leave, also after on_end; borrowed. NULL: nobody wants
   * to know. */
  void (*on_behind)(pml_conn *c, pml_slice bytes);
  /* A ping of the client was answered, or a pong came. 0, or PML_EFULL as above. NULL: nobody
   * counts them. */
  int (*on_ping)(pml_conn *c);
  /* Called exactly once for each accepted conn, also without on_open before; no other hook than
   * on_behind is called after it. Never from inside pml_conn_send or pml_conn_close. */
  void (*on_end)(pml_conn *c, pml_end why, int end_code);
  size_t user_size;
} pml_conn_hooks;

/* What the clients of several sets hold together: the sets of one process share it, each on its own
 * thread. Zeroed to begin with; outlives the sets. */
typedef struct {
  _Atomic uint64_t bytes; /* private */
} pml_client_memory;

typedef struct {
  size_t max_conns; /* of all listeners together */
  pml_conn_limits limits;
  pml_conn_hooks hooks;
  void *owner;               /* pml_conn_owner */
  const pml_log *log;        /* borrowed; NULL: none */
  pml_client_memory *memory; /* borrowed; NULL: the set has its own */
  /* Borrowed; NULL: everybody may come in. What is in it may change between two turns:
   * pml_conns_ask_again then. */
  const pml_gate *gate;
} pml_conns_options;

/* Copies the options. Returns owned; NULL: the loop is virtual. */
pml_conns *pml_conns_new(pml_loop *l, const pml_conns_options *o);
/* Connections that begin from here on may speak TLS with t, which their first byte tells; with
 * `required` they must. NULL: none may. Those that are open keep what they have. Shares t. */
void pml_conns_set_tls(pml_conns *s, pml_tls *t, int required);
/* Takes s. It is freed, and on_closed(ud) called, in a later turn, once its last connection and its
 * last listener are gone: the caller closes them (pml_conn_close_all, pml_listener_close). */
void pml_conns_free(pml_conns *s, void (*on_closed)(void *ud), void *ud);

/* What a client that waits without a connection is counted by. Zeroed: it is not. */
typedef struct {
  struct pml__place *place; /* private, as the next */
  int taken;
} pml_seat;
/* It does not wait any more; harmless when it does not. Before pml_conns_free. */
void pml_seat_leave(pml_conns *s, pml_seat *seat);

size_t pml_conns_addresses(const pml_conns *s);             /* addresses that are counted */
size_t pml_conns_count(const pml_conns *s);                 /* open now */
const pml_net_counts *pml_conns_counts(const pml_conns *s); /* borrowed */
/* Counts a client that was ended for its address while it had no connection. */
void pml_conns_count_address(pml_conns *s);
/* Connections that have had their share of a turn, and for which something read waits now. */
size_t pml_conns_waiting(const pml_conns *s);
/* TLS handshakes under way, and those that wait to begin. */
size_t pml_conns_shaking(const pml_conns *s, size_t *waiting);
/* `latest` pushes that wait in all queues now, and of which nothing is written. */
uint64_t pml_conns_latest(const pml_conns *s);
/* Bytes that queues and cut packages hold now. A block that several queues share counts in each. */
uint64_t pml_conns_held(const pml_conns *s);

#endif
