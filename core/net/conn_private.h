/* conn_private: the inside of a conn, for conn, flush, receive and listener; nobody outside of
 * net includes it. conn stands on the set (conns) and knows none of the others; flush stands on
 * conn, receive on both, and listener on all of them. */
#ifndef PML_NET_CONN_PRIVATE_H
#define PML_NET_CONN_PRIVATE_H

#include "net/conn.h"
#include "net/conns_private.h"
#include "wire/reader.h"

#include <uv.h>

/* From so many connections on the ring is cheaper than a system call for each. */
#ifdef PML_TEST
#define PML__RING_FROM 1u
#else
#define PML__RING_FROM 4u
#endif

typedef struct pml__write {
  uv_write_t w; /* data: the conn */
  size_t bytes;
} pml__write;

enum { PML__UNOPENED, PML__STREAMING, PML__WEBSOCKET };

/* What a send and the flush look at stands together, at the end. */
struct pml_conn {
  uv_tcp_t tcp; /* data: the conn */
  pml_list node;
  pml_timer timer; /* upgrade, then slow, then linger */
  pml_reader reader;
  pml_conns *s;
  pml_conn *next_dirty;
  pml__outq *q;
  int fd;
  uint32_t accepted_ms, last_ms; /* pml_loop_now, cut; last_ms: when bytes last came */
  uint32_t since_ms;             /* when the close began */
  uint32_t unsent; /* bytes, when the timer was started: what progress is measured by */
  uint16_t end_code;
  uint8_t state, why, late;
  unsigned dirty : 1;
  unsigned closing : 1; /* pml_conn_close or an end was seen */
  unsigned told : 1;    /* on_end was called */
  unsigned dead : 1;    /* nothing more to flush or wait for */
  unsigned gone : 1;    /* uv_close was called */
  unsigned unread : 1;  /* the system had no memory: it waits for reread */
  unsigned eof : 1;     /* the peer sends no more */
  unsigned shut : 1;    /* we send no more */
  unsigned deaf : 1;    /* what comes is dropped unparsed */
  unsigned known : 1;   /* the ring remembers the socket */
  unsigned strange : 1; /* it cannot */
};

/* conn */

/* Accepts one connection, from which nothing is read yet; 0 or a negative libuv code, then nothing
 * is left. */
int pml__conn_accept(pml_conns *s, uv_stream_t *from, pml_conn **out);
/* The close begins: to be settled at the end of the turn. Graceful: what is queued is flushed. */
void pml__conn_begin_close(pml_conn *c, pml_end why, uint16_t code, int graceful);
/* Not worth waiting for any more. */
void pml__conn_die(pml_conn *c, pml_end why);
/* The system ended it: err, an errno. */
void pml__conn_fail(pml_conn *c, int err);
/* Its end, in the counters and in the log. */
void pml__conn_count_end(pml_conn *c);
/* All is flushed. Says so to the peer, and waits for it to close. */
void pml__conn_linger(pml_conn *c);
/* Closes the socket; the conn is freed a little later. */
void pml__conn_bury(pml_conn *c);
/* Bytes that the peer's system has not acknowledged: queued here, at libuv, in the kernel. */
uint32_t pml__conn_unsent(pml_conn *c);

/* flush */

/* The connections of s are flushed from here on. */
void pml__flush_init(pml_conns *s);
/* Something was put into the queue of c: looks at the limits, and has it flushed. */
void pml__conn_queued(pml_conn *c);

/* receive */

/* The connections of s that the system had no memory for are read again from here on. */
void pml__receive_init(pml_conns *s);
/* What comes from now on is read. */
int pml__receive_start(pml_conn *c);

static inline uv_stream_t *pml__conn_stream(pml_conn *c) { return (uv_stream_t *)&c->tcp; }

/* c is looked at when the turn ends. */
static inline void pml__conn_mark(pml_conn *c) {
  pml_conns *s = c->s;
  if (c->dirty || c->gone) return;
  c->dirty = 1;
  c->next_dirty = NULL;
  if (!s->dirty) pml_loop_defer(s->loop, &s->flush);
  *s->dirty_end = c;
  s->dirty_end = &c->next_dirty;
}

/* Queues a part of b. Takes one reference to b. */
static inline void pml__conn_put(pml_conn *c, pml_buf *b, pml_slice part) {
  pml__outq_put(&c->s->spare, &c->q, b, part);
}

/* Drops the queue itself once it is empty and libuv has nothing of it. */
static inline void pml__conn_queue_done(pml_conn *c) {
  if (!c->q || c->q->count || c->q->req) return;
  pml__outq_free(&c->s->spare, c->q);
  c->q = NULL;
}

#endif
