/* conns_private: the inside of a set of connections, for conn, flush, receive and listener, which
 * stand on it; nobody outside of net includes it. */
#ifndef PML_NET_CONNS_PRIVATE_H
#define PML_NET_CONNS_PRIVATE_H

#include "base/list.h"
#include "base/refs.h"
#include "loop/ring.h"
#include "net/conns.h"
#include "net/outq.h"

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
#define PML__RETRY_MS 10u  /* a system without memory is asked again */
#define PML__FLUSHES 1024u /* connections flushed per turn; the rest on the next */

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
  pml__outqs spare;
  pml_refs refs;    /* of queued blocks */
  pml_timer reread; /* for connections that are unread */
  /* The end. */
  uv_idle_t life; /* never started: it is closed for its callback, which comes in a later turn */
  uint32_t listeners;
  uint8_t freeing, lived; /* pml_conns_free was called; life is closed */
  void (*on_closed)(void *ud);
  void *ud;
  uint8_t read[PML__READ_SIZE];
  uint8_t scratch[PML__SCRATCH];
};

/* A conn, by its list node, belongs to the set from here on. */
void pml__conns_add(pml_conns *s, pml_list *node);
/* A conn is out of the list and freed. The last call of its owner, as s may be freed by it. */
void pml__conns_left(pml_conns *s);
/* The same for a listener. */
void pml__conns_listened(pml_conns *s);
void pml__conns_unlistened(pml_conns *s);

#endif
