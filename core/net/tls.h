/* tls: the TLS of one connection: a filter between its socket and what reads and writes it. What
 * came goes in, and is given on as plain bytes; a queue of plain blocks goes in, and comes out as
 * bytes for the socket, in one private block at a time. It knows no socket and no connection.
 *
 * Nothing of OpenSSL is allocated before the client's first record is whole (wire/tls_hello). All
 * connections of a loop share one pair of BIOs and the buffers beside them (pml__tls_io).
 *
 * Order in the private block: what OpenSSL has to say (handshake, tickets, alerts, new keys) stands
 * there before any more of the queue is encrypted. */
#ifndef PML_NET_TLS_H
#define PML_NET_TLS_H

#include "base/buf.h"
#include "base/refs.h"
#include "net/outq.h"
#include "net/tls_context.h"
#include "net/tls_queue.h"

#define PML__TLS_RECORD 16384u               /* plain bytes that are encrypted together, at most */
#define PML__TLS_PLAIN (2 * PML__TLS_RECORD) /* that are handed on together, at most */

typedef struct pml__tls pml__tls;
typedef struct pml__tls_io pml__tls_io;

/* How a handshake stands, and how it ended. */
typedef enum {
  PML__TLS_HELLO,  /* the first record is being collected; nothing of OpenSSL is there */
  PML__TLS_WAITS,  /* it is whole, and waits for pml__tls_begin */
  PML__TLS_SHAKES, /* the handshake is under way */
  PML__TLS_OPEN,   /* done: plain bytes travel */
  PML__TLS_BROKEN  /* an error ended it: only what waits in the private block may still go out */
} pml__tls_state;

/* Gets plain bytes, which it may change; not 0: no more are wanted, ever. */
typedef int (*pml__tls_take_fn)(uint8_t *bytes, size_t n, void *ud);

/* Returns owned; NULL: OpenSSL has no memory. */
pml__tls_io *pml__tls_io_new(void);
void pml__tls_io_free(pml__tls_io *io); /* NULL is allowed; no connection uses it any more */

/* Shares with. Returns owned. */
pml__tls *pml__tls_new(pml__tls_io *io, pml_tls *with, void *owner);
void *pml__tls_owner(const pml__tls *t); /* what it was given */
/* Its place among the handshakes; borrowed, and back. */
pml__tls_place *pml__tls_place_of(pml__tls *t);
pml__tls *pml__tls_of_place(pml__tls_place *p);
void pml__tls_free(pml__tls *t);
pml__tls_state pml__tls_state_of(const pml__tls *t);
/* After OPEN: whether the client came with a ticket. */
int pml__tls_resumed(const pml__tls *t);
/* Whether the client asked to negotiate anew, which is refused. */
int pml__tls_renegotiates(const pml__tls *t);

/* What was negotiated, once the state is OPEN; borrowed from t. */
pml_tls_facts pml__tls_facts(const pml__tls *t);

/* In state HELLO: bytes that came. 0: the state is WAITS, and all bytes are kept. PML_EAGAIN: more
 * are needed. PML_EPROTO: it is no ClientHello. */
int pml__tls_collect(pml__tls *t, const uint8_t *bytes, size_t n);
/* In state WAITS: the handshake begins, with what came until now. Results as of pml__tls_feed. */
int pml__tls_begin(pml__tls *t, pml__tls_take_fn take, void *ud);
/* In state SHAKES or OPEN: bytes that came, all of which are used: take is given what is in every
 * whole record of them, at once when they are no more than PML__TLS_PLAIN. So a call decrypts what
 * it is given and the record before it that was cut, no more, and nothing stays behind that no
 * event of the socket would bring up again.
 * 0; PML_ECLOSED: the client has closed its half (close_notify); PML_EPROTO: the state is BROKEN.
 * Whatever it returns, pml__tls_unsent may be more afterwards. */
int pml__tls_feed(pml__tls *t, const uint8_t *bytes, size_t n, pml__tls_take_fn take, void *ud);

/* When the private block is empty: encrypts the first bytes of q (NULL: nothing waits), at most
 * PML__TLS_RECORD of them, with one SSL_write, and takes them out of q, which may be empty
 * afterwards; blocks that are done go to refs. 0, or PML_EPROTO: the state is BROKEN. */
int pml__tls_seal(pml__tls *t, pml__outq *q, pml_refs *refs);
/* Says that no more plain bytes follow (close_notify), once: 1 when the private block has grown.
 * Nothing is sealed after it. */
int pml__tls_notify(pml__tls *t);
/* What is to be written next: borrowed until pml__tls_sent or another call for t. */
pml_slice pml__tls_unsent(const pml__tls *t);
/* Whether a record has begun to come and is not whole. */
int pml__tls_is_cut(const pml__tls *t);
/* Bytes of the private block, of what came before the handshake, and what OpenSSL has for a record
 * that is cut; what it has allocated for itself besides is not among them. */
uint32_t pml__tls_held(const pml__tls *t);
/* The socket took the first n bytes of it. */
void pml__tls_sent(pml__tls *t, size_t n);

#endif
