/* tls_queue: whose TLS handshake may begin. A handshake costs half a millisecond and some ten KiB
 * until it is done, so that at most so many are under way, and so many begin in a second; the
 * others wait in the order in which they came, and nobody is refused for it. After a restart all
 * clients come at once.
 *
 * While somebody waits, one that has been under way for PML__TLS_PATIENCE_MS makes room: those who
 * begin and say no more cannot keep the others out for as long as their deadline lets them.
 *
 * A place is embedded in its owner. It knows no connection. */
#ifndef PML_NET_TLS_QUEUE_H
#define PML_NET_TLS_QUEUE_H

#include "base/list.h"
#include "loop/loop.h"

#define PML__TLS_PATIENCE_MS 1000u

typedef struct pml__tls_place {
  pml_list node;  /* private */
  uint64_t since; /* private: when it began */
  uint8_t state;  /* private */
} pml__tls_place;

typedef struct {
  uint32_t max;       /* under way at a time */
  uint32_t per_s;     /* begin in a second; 0: any number */
  uint32_t waiting;   /* read-only: how many wait */
  uint32_t under_way; /* read-only */
  /* It is p's turn; it may leave at once. */
  void (*begin)(pml__tls_place *p);
  /* p has to make room: it leaves before this returns. */
  void (*cut)(pml__tls_place *p);
  pml_loop *loop;          /* private, as all that follows */
  pml_timer timer;         /* runs while somebody waits */
  pml_list waits, started; /* in the order in which they came */
  uint64_t credit, at;     /* thousandths of handshakes that may begin, as of then */
} pml__tls_queue;

void pml__tls_queue_init(pml__tls_queue *q, pml_loop *l, uint32_t max, uint32_t per_s,
                         void (*begin)(pml__tls_place *p), void (*cut)(pml__tls_place *p));
/* Nobody waits any more. */
void pml__tls_queue_fini(pml__tls_queue *q);
void pml__tls_place_init(pml__tls_place *p);
/* 1: p's handshake may begin now. 0: it waits, and `begin` is called in a later turn. */
int pml__tls_queue_ask(pml__tls_queue *q, pml__tls_place *p);
/* It is over, or its owner has gone. 0: it had left, or has not asked. */
int pml__tls_queue_leave(pml__tls_queue *q, pml__tls_place *p);

#endif
