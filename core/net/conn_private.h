/* conn_private: the inside of a conn, for conn, flush, receive and listener; nobody outside of
 * net includes it. conn stands on the set (conns) and knows none of the others; flush stands on
 * conn, receive on both, and listener on all of them. */
#ifndef PML_NET_CONN_PRIVATE_H
#define PML_NET_CONN_PRIVATE_H

#include "base/mem.h"
#include "net/conn.h"
#include "net/conns_private.h"
#include "net/gate.h"
#include "wire/proxy_header.h"
#include "wire/reader.h"

#include <uv.h>

/* For at least so many connections the ring is cheaper than a system call for each. */
#ifdef PML_TEST
#define PML__RING_FROM 1u
#else
#define PML__RING_FROM 4u
#endif

typedef struct pml__write {
  uv_write_t w; /* data: the conn */
  size_t bytes;
} pml__write;

/* How its bytes travel, known once it is open. */
enum { PML__UNKNOWN, PML__STREAMING, PML__WEBSOCKET };

/* The life of a conn: each state is reached from those before it, never from one behind it. */
enum {
  PML__OPEN,      /* also before on_open */
  PML__CLOSING,   /* what is queued is flushed, then the peer's end of the connection awaited */
  PML__ABANDONED, /* nothing more is flushed or awaited */
  PML__UV_CLOSING /* uv_close was called: its callback frees the conn */
};

/* Whether the kernel's ring knows the socket. */
enum {
  PML__NOT_IN_RING, /* not asked yet */
  PML__IN_RING,
  PML__RING_REFUSED /* the socket is always written to in the ordinary way */
};

/* What was read of a connection and waits for its turn (net/turns). */
typedef struct {
  pml_list node; /* in its set's later */
  pml_conn *c;
  size_t at, n; /* the bytes from at to n wait */
  uint32_t held;
  uint8_t bytes[];
} pml__rest;

/* What only some connections have, or for a while: those of proxies, those whose HTTP request is
 * kept, those that are cut in the middle of a package, and slow ones. */
typedef struct {
  pml_address from; /* told: of the client behind the proxy */
  uint16_t port;
  uint8_t told;
  pml_proxy_header *header; /* owned, while it is read */
  pml_buf *head;            /* owned: the HTTP request; NULL: none is kept */
  pml__rest *rest;          /* owned: what waits for its turn; NULL: nothing does */
  uint32_t package_due;     /* when the package under way must be whole */
  uint32_t package;         /* its number (wire/reader); 0: none is under way */
  uint32_t holds;           /* bytes of it that are kept */
  uint32_t taken;           /* pml__conn_taken at since_ms: progress is measured by it */
} pml__aside;

/* The fields that a send and the flush read stand together, at the end. */
struct pml_conn {
  uv_tcp_t tcp; /* data: the conn */
  pml_list node;
  pml_timer timer; /* until it is open; then while something of it may come or go too slowly, and at
                      most one look longer; then while it lingers */
  pml_reader reader;
  uint32_t accepted_ms; /* this and the next ones: pml_loop_now, cut to 32 bits */
  uint32_t since_ms;    /* open: when the client last took enough of what waits; then when the close
                           began */
  pml__place *place;    /* where it is counted; NULL: nowhere */
  pml__aside *aside;    /* owned; NULL: it is all zero */
  pml_conns *s;
  pml_conn *next_marked;
  pml__outq *q;
  pml__tls *tls; /* NULL: what the socket carries is plain */
  int fd;
  uint32_t last_ms; /* when bytes last came */
  uint32_t sent;    /* bytes that the socket took; may go round */
  uint32_t charged; /* of the set's evict.held */
  uint16_t end_code;
  uint8_t why;  /* a pml_end */
  uint8_t late; /* how often the timer has fired without the client being blamed */
  unsigned life : 2, transport : 2, ring : 2;
  unsigned marked : 1;        /* it is looked at when the turn ends */
  unsigned read_later : 1;    /* the system had no memory for a read: it waits for reread */
  unsigned ended_behind : 1;  /* and behind that it has closed its half of the TLS connection */
  unsigned discard_input : 1; /* what comes is dropped unparsed */
  unsigned got_eof : 1;       /* the peer sends no more */
  unsigned sent_eof : 1;      /* the server sends no more */
  unsigned end_reported : 1;  /* on_end was called */
  unsigned told : 1;          /* its first byte has told whether it speaks TLS */
  unsigned keeps : 1;         /* what the socket does not take stays in the queue, not in libuv */
  unsigned finished : 1;      /* its handshake is over: net/addresses */
  unsigned full : 1;          /* keeps: the socket takes nothing until its set's writable says so */
  unsigned watched : 1;       /* the timer looks whether the client takes what waits for it */
  unsigned over : 1;          /* watched: more than queue_soft */
  unsigned left : 1;          /* closing: what comes is told on_behind */
};

/* conn */

/* Accepts one connection, from which nothing is read yet. 0 or a negative libuv code, then nothing
 * is left; 1: it was reset, as its address may not come in, which was counted. */
int pml__conn_accept(pml_conns *s, uv_stream_t *from, pml_conn **out);
/* The close begins: to be settled at the end of the turn. Graceful: what is queued is flushed. */
void pml__conn_begin_close(pml_conn *c, pml_end why, uint16_t code, int graceful);
/* Abandons the connection: nothing of it is flushed or awaited any more. */
void pml__conn_die(pml_conn *c, pml_end why);
/* The same after a system call failed with err, an errno. */
void pml__conn_fail(pml_conn *c, int err);
/* Counts and logs the end. */
void pml__conn_count_end(pml_conn *c);
/* All is flushed: shuts the server's half of the connection, and waits for the client to close. */
void pml__conn_linger(pml_conn *c);
/* Closes the socket; libuv's close callback frees the conn. */
void pml__conn_bury(pml_conn *c);
/* Bytes that the client's system has acknowledged; the count may go round. */
uint32_t pml__conn_taken(pml_conn *c);
/* Something waits that the socket does not take now: the client is watched from here on. */
void pml__conn_waits(pml_conn *c);
/* The same for more than queue_soft: its time begins now. */
void pml__conn_over(pml_conn *c);
/* The timer fires in ms, or before. */
void pml__conn_look(pml_conn *c, uint32_t ms);

/* The proxy whose socket it is told for whom it connects. What that address may do is asked; OPEN,
 * or why it may not come in. */
pml__gate_answer pml__conn_told(pml_conn *c, const pml_address *from, uint16_t port);

/* flush */

/* The connections of s are flushed from here on. */
void pml__flush_init(pml_conns *s);
/* After c's queue, or what its TLS has to say, has grown: checks the limits, and marks c to be
 * flushed. */
void pml__conn_queued(pml_conn *c);

/* secure */

void pml__secure_init(pml_conns *s, const pml__secure_hooks *hooks);
/* The first byte that came of c. 0: it does not speak as it must here, and is closed. Otherwise its
 * bytes go to pml__secure_received if it has a tls, and to the reader if not. */
int pml__secure_first(pml_conn *c, uint8_t first);
/* What came from the socket of c, which has a tls. */
void pml__secure_received(pml_conn *c, const uint8_t *bytes, size_t n);

/* evict */

/* What the connections of s hold is bounded from here on. */
void pml__evict_init(pml_conns *s);
/* The set holds much more, or much less, than at the last look. Clients are closed when all hold
 * too much: also c, of whom the caller asks pml_conn_closing. */
void pml__evict_look(pml_conns *s);

/* proxied */

/* Takes the header of a trusted proxy off the first bytes. 0: what is left of *p, after *taken,
 * is the client's; PML_EAGAIN: all of it was the header's; PML_ECLOSED: the client may not come in,
 * and is closed; PML_EPROTO. */
int pml__proxied_feed(pml_conn *c, pml_slice *taken, uint8_t **p, size_t *n);
/* What a trusted proxy says in an HTTP request. 0; or a status of HTTP: the client may not come in.
 */
int pml__proxied_request(pml_conn *c, pml_slice head);

/* receive */

/* The connections of s that the system had no memory for are read again from here on. */
void pml__receive_init(pml_conns *s);
/* Starts reading. 0 or a negative libuv code. */
int pml__receive_start(pml_conn *c);
/* What the client has sent, in plain bytes: from the socket, or from a filter in front of it, any
 * number of times for one read. Unmasks in place. What is more than c's share of this turn is kept
 * and fed in later turns; until then nothing is read from its socket. */
void pml__receive_feed(pml_conn *c, uint8_t *bytes, size_t n);

static inline uv_stream_t *pml__conn_stream(pml_conn *c) { return (uv_stream_t *)&c->tcp; }

/* c is flushed and settled when the turn ends. */
static inline void pml__conn_mark(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->marked || c->life == PML__UV_CLOSING) return;
  c->marked = 1;
  c->next_marked = NULL;
  if (!s->marked) pml_loop_defer(s->loop, &s->flush);
  *s->marked_end = c;
  s->marked_end = &c->next_marked;
}

/* Encrypted bytes that the socket has not taken. */
static inline size_t pml__conn_sealed(const pml_conn *c) {
  return c->tls ? pml__tls_unsent(c->tls).n : 0;
}

/* Whether what the client sends is looked at: a closing WebSocket is read until its close frame, a
 * closing TCP connection only when the server has left it. */
static inline int pml__conn_is_read(const pml_conn *c) {
  return !c->discard_input && (c->life == PML__OPEN || c->transport == PML__WEBSOCKET || c->left);
}

/* What waits to be written, and what queue_soft counts. */
static inline size_t pml__conn_waiting(const pml_conn *c) {
  return (c->q ? c->q->bytes : 0) + pml__conn_sealed(c);
}

/* Whether nothing is left to be written. */
static inline int pml__conn_flushed(const pml_conn *c) { return !c->q && !pml__conn_sealed(c); }

/* What it has aside, made when there is nothing. */
static inline pml__aside *pml__conn_aside(pml_conn *c) {
  if (!c->aside) c->aside = pml_alloc0(sizeof *c->aside);
  return c->aside;
}

/* What of it waits for its turn; NULL: nothing does. */
static inline pml__rest *pml__conn_rest(const pml_conn *c) {
  return c->aside ? c->aside->rest : NULL;
}

/* The number of the package under way; 0: none is. */
static inline uint32_t pml__conn_package(const pml_conn *c) {
  return c->aside ? c->aside->package : 0;
}

/* Bytes that c holds and shares with nobody: all but its queue. */
static inline uint32_t pml__conn_apart(const pml_conn *c) {
  const pml__rest *rest = pml__conn_rest(c);
  return (c->aside ? c->aside->holds : 0) + (rest ? rest->held : 0) +
         (c->tls ? pml__tls_held(c->tls) : 0);
}

/* What c holds has changed: the set counts it. */
static inline void pml__conn_charge(pml_conn *c) {
  uint32_t now = pml__conn_apart(c);
  if (c->q) {
    now += (uint32_t)c->q->bytes;
    /* The written part of a block is not freed before the block is. */
    if (c->q->cut) now += pml__outq_at(c->q, 0)->off;
  }
  c->s->evict.held += (uint64_t)now - c->charged;
  c->charged = now;
}

/* Whether evict is to look. */
static inline int pml__evict_due(const pml_conns *s) {
  return s->evict.held - s->evict.from > s->evict.span;
}

/* Queues a part of b. Takes one reference to b. */
static inline void pml__conn_put(pml_conn *c, pml_buf *b, pml_slice part) {
  pml__outq_put(&c->s->spare, &c->q, b, part);
}

/* Frees the queue once it is empty and libuv reads nothing of it. */
static inline void pml__conn_queue_done(pml_conn *c) {
  if (!c->q || c->q->count || c->q->req) return;
  pml__outq_free(&c->s->spare, c->q);
  c->q = NULL;
}

#endif
