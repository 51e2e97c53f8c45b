/* conn_private: what conn, listener and peer share among themselves. Nobody
 * outside of net includes it. */
#ifndef PML_NET_CONN_PRIVATE_H
#define PML_NET_CONN_PRIVATE_H

#include "net/conn.h"
#include "base/refs.h"
#include "loop/ring.h"
#include "net/listener.h"

/* One read per connection and turn, of at most this many bytes: it bounds how
 * long one client can keep the loop, in bytes and, a package being four bytes or
 * more, in packages. */
#ifdef PML_TEST
#define PML__READ_SIZE 512u
#else
#define PML__READ_SIZE 16384u
#endif
#define PML__TOGETHER \
  16384u /* small blocks of one connection are copied into one piece, up to this */
#define PML__SCRATCH 131072u /* where they are: the pieces of one batch of the ring */
#define PML__FLUSHES 1024u   /* connections flushed per turn; the rest on the next */
#define PML__SPARE_QUEUES 1024u
/* From so many connections on the ring is cheaper than a system call for each. */
#ifdef PML_TEST
#define PML__RING_FROM 1u
#else
#define PML__RING_FROM 4u
#endif

typedef struct {
  pml_buf *b;
  uint32_t off, len; /* what is still to be written */
} pml__out;

/* The blocks of one connection that wait; there only while there are some. */
typedef struct pml__queue {
  uint32_t head, count, cap; /* a ring; cap is a power of two */
  size_t bytes;              /* payload and bookkeeping, what the limits count */
  struct pml__write *req;    /* the one write libuv has, NULL: none */
  uint32_t cut;              /* 1: a part of the first block is out */
  uint32_t held;             /* blocks, from head on, that req or the ring may still read */
  size_t offered;            /* bytes that the ring has */
  struct pml__queue *spare;  /* next in the listener's list of spare ones */
  pml__out item[];
} pml__queue;

struct pml_listener {
  uv_tcp_t tcp;
  pml_loop *loop;
  pml_listener_options o; /* host: a copy */
  pml_net_counts counts;
  pml_list conns;
  pml_task flush;
  pml_conn *dirty, **dirty_end; /* first in, first out */
  pml_conn *starved;            /* the system had no memory for them: they wait for retry */
  pml_timer retry;
  pml_conn *turn[PML__FLUSHES]; /* those that are flushed now */
  pml_ring *ring;               /* NULL: none */
  size_t used;                  /* of scratch, by the ring's batch */
  pml__queue *spare;
  uint32_t nspare;
  pml_refs refs; /* of queued blocks */
  int port;
  uint8_t bound, closing;
  pml_conn *reader; /* who has read in turn read_turn */
  uint64_t read_turn;
  void (*on_closed)(void *ud);
  void *ud;
  uint8_t read[PML__READ_SIZE];
  uint8_t scratch[PML__SCRATCH];
};

/* Accepts one connection; 0 or a negative libuv code, then nothing is left. */
int pml__conn_accept(pml_listener *s);
/* The flush task of a listener. */
void pml__conn_flush_all(pml_task *t);
void pml__conn_retry_init(pml_listener *s);
/* Frees spare queues. */
void pml__conn_free_spares(pml_listener *s);
/* Called by conn's close callback: the listener may free itself. */
void pml__listener_conn_closed(pml_listener *s);
pml_conn *pml__conn_of_node(pml_list *node);

/* Inside on_open: milliseconds since the connection was accepted. */
uint32_t pml__conn_waited(const pml_conn *c);
/* Milliseconds since bytes last came. */
uint32_t pml__conn_quiet(const pml_conn *c);

#endif
