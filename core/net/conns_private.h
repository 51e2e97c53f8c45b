/* conns_private: the inside of a set of connections, for conn, flush, receive and listener, which
 * stand on it; nobody outside of net includes it. */
#ifndef PML_NET_CONNS_PRIVATE_H
#define PML_NET_CONNS_PRIVATE_H

#include "base/list.h"
#include "base/refs.h"
#include "loop/ring.h"
#include "loop/writable.h"
#include "net/conns.h"
#include "net/outq.h"
#include "net/tls.h"
#include "net/tls_queue.h"

#include <uv.h>

/* One read per connection and turn, of at most this many bytes: it bounds how
 * long one client can keep the loop, in bytes and, a package being four bytes or
 * more, in packages. */
#ifdef PML_TEST
#define PML__READ_SIZE 512u
#else
#define PML__READ_SIZE 16384u
#endif
/* Where small blocks are copied together: the pieces of one batch of the ring. */
#define PML__SCRATCH 131072u
/* What a connection may have of a turn: packages, and the time that they take, which is looked at
 * between two packages. All of them together have a longer time; after it each gets one package.
 * What is left of a read waits, and the connections for which something waits take turns. */
#define PML__SHARE_PACKAGES 64u
#define PML__SHARE_NS 500000u
#define PML__TURN_NS 4000000u
#define PML__RETRY_MS 10u  /* a system without memory is asked again */
#define PML__FLUSHES 1024u /* connections flushed per turn; the rest on the next */

/* What the connection that is fed now has had of its share. */
typedef struct {
  uint64_t since;    /* uv_hrtime when it began; 0: not looked at yet */
  uint32_t packages; /* taken */
  uint32_t most;     /* how many it may have */
  uint8_t had;       /* it takes no more in this turn */
  uint64_t turn;     /* pml_loop_turn */
  uint64_t turn_ns;  /* what all of them have had in that turn, as far as it was measured */
} pml__share;

/* What net/secure asks of those who read. */
typedef struct {
  void (*plain)(pml_conn *c, uint8_t *bytes, size_t n); /* bytes came, decrypted */
  void (*eof)(pml_conn *c);                             /* no more will come */
  int (*start)(pml_conn *c); /* the socket is to be read; 0 or a negative libuv code */
} pml__secure_hooks;

/* What the connections hold, for evict and for pml__conn_charge. */
typedef struct {
  uint64_t held;       /* bytes, the sum of what the connections are charged with */
  uint64_t from, span; /* evict looks when held leaves from ... from + span */
  uint64_t published;  /* the part of `all` that this set has added */
  pml_client_memory *all, own;
  pml_timer timer; /* looks again while there is something */
} pml__evict;

/* For trim. */
typedef struct {
  uint64_t open, held; /* connections, and evict.held, at their most since the last time */
  uint64_t next;       /* not before: pml_loop_now */
  pml_timer timer;
} pml__trim;

struct pml_conns {
  pml_loop *loop;
  pml_conns_options o;
  pml_net_counts counts;
  pml_list all;
  /* Those that are looked at when the turn ends: marked by conn, flushed and settled by flush. */
  pml_task flush;
  pml_conn *marked, **marked_end; /* first in, first out */
  pml_conn *starved;              /* the system had no memory for them: they wait for retry */
  pml_timer retry;
  pml_conn *turn[PML__FLUSHES]; /* those that are flushed now */
  pml_ring *ring;               /* NULL: none */
  size_t used;                  /* of scratch, by the ring's batch */
  pml_writable *writable;       /* NULL until a connection that keeps its queue has a full socket */
  pml__outqs spare;
  pml_refs refs;    /* of queued blocks */
  pml_timer reread; /* for connections that are unread */
  uint32_t cut;     /* what on_bytes told last by pml_conn_cut */
  pml__evict evict; /* what all of them hold */
  pml__trim trim;
  pml__tls_io *tls_io; /* NULL until the set speaks TLS */
  pml_tls *tls;        /* for connections that begin; NULL: none may speak TLS */
  uint8_t tls_required;
  pml__tls_queue shakes; /* TLS handshakes that are under way, or wait */
  pml__secure_hooks secure;
  pml__share share;
  pml_list later; /* what was read and is not fed yet, in the order in which it gets its turn */
  size_t waiting; /* how many connections those are */
  pml_task turns;
  size_t (*on_turn)(pml_conn *c, uint8_t *bytes, size_t n); /* net/turns */
  void (*on_done)(pml_conn *c);
  size_t seats;                     /* clients that wait without a connection */
  struct pml__addresses *addresses; /* NULL: none has been counted. net/gate's */
  /* The end. */
  uv_idle_t life; /* never started: it is closed for its callback, which comes in a later turn */
  uint32_t listeners;
  uint8_t freeing, lived; /* pml_conns_free was called; life is closed */
  void (*on_closed)(void *ud);
  void *ud;
  uint8_t read[PML__READ_SIZE];
  uint8_t scratch[PML__SCRATCH];
};

/* The number of connections, or what they hold, has changed: when it has become much less, memory
 * goes back to the system soon. */
void pml__trim_note(pml_conns *s);
void pml__trim_init(pml_conns *s);

/* A conn, by its list node, belongs to the set from here on. */
void pml__conns_add(pml_conns *s, pml_list *node);
/* A conn is out of the list and freed. The last call of its owner, as s may be freed by it. */
void pml__conns_left(pml_conns *s);
/* The same for a listener. */
void pml__conns_listened(pml_conns *s);
void pml__conns_unlistened(pml_conns *s);

#endif
