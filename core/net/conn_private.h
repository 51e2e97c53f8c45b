/* conn_private: the inside of a conn, for conn, flush, receive and listener; nobody outside of
 * net includes it. conn stands on the set (conns) and knows none of the others; flush stands on
 * conn, receive on both, and listener on all of them. */
#ifndef PML_NET_CONN_PRIVATE_H
#define PML_NET_CONN_PRIVATE_H

#include "net/conn.h"
#include "net/conns_private.h"
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

/* The fields that a send and the flush read stand together, at the end. */
struct pml_conn {
  uv_tcp_t tcp; /* data: the conn */
  pml_list node;
  pml_timer timer; /* until it is open; then while it is slow; then while it lingers */
  pml_reader reader;
  uint32_t accepted_ms; /* this and the next two: pml_loop_now, cut to 32 bits */
  uint32_t since_ms;    /* when the close began */
  pml_conns *s;
  pml_conn *next_marked;
  pml__outq *q;
  int fd;
  uint32_t last_ms; /* when bytes last came */
  uint32_t unsent;  /* pml__conn_unsent when the timer was started: progress is measured by it */
  uint16_t end_code;
  uint8_t life, transport, ring;
  uint8_t why;                /* a pml_end */
  uint8_t late;               /* how often the timer has fired without the client being blamed */
  unsigned marked : 1;        /* it is looked at when the turn ends */
  unsigned read_later : 1;    /* the system had no memory for a read: it waits for reread */
  unsigned discard_input : 1; /* what comes is dropped unparsed */
  unsigned got_eof : 1;       /* the peer sends no more */
  unsigned sent_eof : 1;      /* the server sends no more */
  unsigned end_reported : 1;  /* on_end was called */
};

/* conn */

/* Accepts one connection, from which nothing is read yet; 0 or a negative libuv code, then nothing
 * is left. */
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
/* Bytes that the client's system has not acknowledged: queued here, in libuv and in the kernel. */
uint32_t pml__conn_unsent(pml_conn *c);

/* flush */

/* The connections of s are flushed from here on. */
void pml__flush_init(pml_conns *s);
/* After c's queue has grown: checks the limits, and marks c to be flushed. */
void pml__conn_queued(pml_conn *c);

/* receive */

/* The connections of s that the system had no memory for are read again from here on. */
void pml__receive_init(pml_conns *s);
/* Starts reading. 0 or a negative libuv code. */
int pml__receive_start(pml_conn *c);

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
