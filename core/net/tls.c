#include "net/tls.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "wire/tls_hello.h"

#include <openssl/err.h>

/* Of the private blocks that are kept: pushes and answers of most games, with the records' heads.
 */
#define SMALL 512u
#define SPARE 256u
#define OVERHEAD 64u /* bytes that a record is longer than what it holds, at most */
/* New keys that a client may ask for within so many plain bytes. Each costs the server about 20 us,
 * and the client 27 bytes. */
#define KEYS_MAX 64u
#define KEYS_BYTES 65536u
#define HEAD 5u          /* bytes of a record's head */
#define READ_ROOM 16704u /* bytes that OpenSSL has for a record that is cut */

struct pml__tls_io {
  BIO_METHOD *method;
  BIO *in, *out;  /* of all connections: what they stand for is in the fields below */
  pml_slice have; /* what the connection that is at work may read */
  pml__tls *now;  /* the connection that is at work: what it writes is appended to its block */
  pml_pool small; /* private blocks of SMALL bytes */
  uint8_t plain[PML__TLS_PLAIN];     /* what came, decrypted */
  uint8_t together[PML__TLS_RECORD]; /* blocks that go into one record */
};

/* The private block: bytes for the socket. */
typedef struct {
  uint8_t *p;
  uint32_t cap, off, len; /* off: of len bytes so many are sent */
} block;

struct pml__tls {
  pml__tls_io *io;
  pml_tls *with;
  void *owner;
  pml__tls_place place;
  SSL *ssl; /* NULL until the handshake begins */
  block out;
  pml_tls_hello hello;
  pml_writer early;    /* all that came before the handshake began */
  uint32_t since_keys; /* plain bytes since keys was 0 */
  uint16_t content;    /* bytes of the record that is under way, which have not come yet */
  uint8_t head;        /* bytes of its head that have come */
  uint8_t length;      /* of its content: the upper byte */
  uint8_t state;
  uint8_t keys; /* new keys that the client has asked for */
  unsigned renegotiates : 1;
  unsigned notified : 1; /* close_notify was said */
};

/* ---- the shared BIOs ---- */

/* What OpenSSL has read: where in a record it stands. */
static void follow(pml__tls *t, const uint8_t *p, size_t n) {
  while (n) {
    size_t k = 1;
    if (t->content) {
      k = n < t->content ? n : t->content;
      t->content = (uint16_t)(t->content - k);
    } else if (++t->head == HEAD - 1) {
      t->length = *p;
    } else if (t->head == HEAD) {
      t->content = (uint16_t)(t->length << 8 | *p);
      t->head = 0;
    }
    p += k;
    n -= k;
  }
}

static int bio_read(BIO *b, char *to, int n) {
  pml__tls_io *io = BIO_get_data(b);
  BIO_clear_retry_flags(b);
  if (n <= 0 || io->now->keys > KEYS_MAX) return 0; /* the end: OpenSSL reads no more */
  if (!io->have.n) {
    BIO_set_retry_read(b);
    return -1;
  }
  size_t k = io->have.n < (size_t)n ? io->have.n : (size_t)n;
  memcpy(to, io->have.p, k);
  follow(io->now, io->have.p, k);
  io->have = pml_slice_from(io->have, k);
  return (int)k;
}

static void block_room(pml__tls_io *io, block *b, size_t n) {
  if (b->cap - b->len >= n) return;
  if (!b->cap && n <= SMALL) {
    b->p = pml_pool_take(&io->small);
    b->cap = SMALL;
    return;
  }
  size_t cap = b->len + n;
  if (b->cap && cap < 2u * b->cap) cap = 2u * b->cap;
  b->p = pml_realloc(b->p, cap);
  b->cap = (uint32_t)cap;
}

static void block_drop(pml__tls_io *io, block *b) {
  if (b->cap == SMALL) pml_pool_give(&io->small, b->p);
  else pml_free(b->p);
  *b = (block){0};
}

static int bio_write(BIO *b, const char *p, int n) {
  pml__tls_io *io = BIO_get_data(b);
  BIO_clear_retry_flags(b);
  if (n <= 0) return 0;
  block *to = &io->now->out;
  block_room(io, to, (size_t)n);
  memcpy(to->p + to->len, p, (size_t)n);
  to->len += (uint32_t)n;
  return n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p) {
  (void)b;
  (void)n;
  (void)p;
  return what == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b) {
  BIO_set_init(b, 1);
  return 1;
}

static BIO *bio_of(pml__tls_io *io) {
  BIO *b = BIO_new(io->method);
  if (b) BIO_set_data(b, io);
  return b;
}

pml__tls_io *pml__tls_io_new(void) {
  pml__tls_io *io = pml_alloc0(sizeof *io);
  pml_pool_init(&io->small, SMALL, SPARE);
  io->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop");
  if (io->method) {
    BIO_meth_set_read(io->method, bio_read);
    BIO_meth_set_write(io->method, bio_write);
    BIO_meth_set_ctrl(io->method, bio_ctrl);
    BIO_meth_set_create(io->method, bio_create);
    io->in = bio_of(io);
    io->out = bio_of(io);
  }
  if (io->in && io->out) return io;
  pml__tls_io_free(io);
  return NULL;
}

void pml__tls_io_free(pml__tls_io *io) {
  if (!io) return;
  BIO_free(io->in);
  BIO_free(io->out);
  BIO_meth_free(io->method);
  pml_pool_clear(&io->small);
  pml_free(io);
}

/* ---- one connection ---- */

pml__tls *pml__tls_new(pml__tls_io *io, pml_tls *with, void *owner) {
  pml__tls *t = pml_alloc0(sizeof *t);
  t->io = io;
  t->owner = owner;
  pml__tls_place_init(&t->place);
  t->with = pml_tls_ref(with);
  return t;
}

void pml__tls_free(pml__tls *t) {
  SSL_free(t->ssl);
  block_drop(t->io, &t->out);
  pml_tls_hello_fini(&t->hello);
  pml_writer_drop(&t->early);
  pml_tls_unref(t->with);
  pml_free(t);
}

pml__tls_state pml__tls_state_of(const pml__tls *t) { return (pml__tls_state)t->state; }
void *pml__tls_owner(const pml__tls *t) { return t->owner; }
pml__tls_place *pml__tls_place_of(pml__tls *t) { return &t->place; }
pml__tls *pml__tls_of_place(pml__tls_place *p) { return PML_CONTAINER(p, pml__tls, place); }
pml_tls_facts pml__tls_facts(const pml__tls *t) {
  return (pml_tls_facts){SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl),
                         SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name)};
}

int pml__tls_resumed(const pml__tls *t) { return SSL_session_reused(t->ssl); }
int pml__tls_renegotiates(const pml__tls *t) { return t->renegotiates; }

/* Before each call of OpenSSL's for t. An error that another connection left in the thread's queue
 * would be taken for one of this call. */
static void enter(pml__tls *t, pml_slice have) {
  ERR_clear_error();
  t->io->now = t;
  t->io->have = have;
}

static int broken(pml__tls *t) {
  t->state = PML__TLS_BROKEN;
  ERR_clear_error();
  return PML_EPROTO;
}

/* ---- what comes in ---- */

int pml__tls_collect(pml__tls *t, const uint8_t *bytes, size_t n) {
  pml_slice record;
  size_t used;
  int r = pml_tls_hello_feed(&t->hello, bytes, n, &record, &used);
  if (r) return r;
  pml_writer_put(&t->early, record.p, record.n);
  pml_writer_put(&t->early, bytes + used, n - used);
  pml_tls_hello_fini(&t->hello);
  t->state = PML__TLS_WAITS;
  return 0;
}

/* OpenSSL answers a wish to negotiate anew with this alert, and goes on; new keys of TLS 1.3 it
 * makes as often as it is asked. */
static void on_info(const SSL *ssl, int where, int what) {
  pml__tls *t = SSL_get_app_data(ssl);
  if (where == SSL_CB_ACCEPT_LOOP && SSL_get_state(ssl) == TLS_ST_SR_KEY_UPDATE) t->keys++;
  if (where == SSL_CB_WRITE_ALERT && (what & 0xff) == SSL_AD_NO_RENEGOTIATION) t->renegotiates = 1;
}

int pml__tls_begin(pml__tls *t, pml__tls_take_fn take, void *ud) {
  pml__tls_io *io = t->io;
  ERR_clear_error();
  t->ssl = SSL_new(pml_tls_ctx(t->with));
  if (!t->ssl || !BIO_up_ref(io->in) || !BIO_up_ref(io->out)) return broken(t);
  SSL_set_bio(t->ssl, io->in, io->out);
  SSL_set_accept_state(t->ssl);
  SSL_set_app_data(t->ssl, t);
  SSL_set_info_callback(t->ssl, on_info);
  t->state = PML__TLS_SHAKES;
  pml_buf *early = pml_writer_finish(&t->early);
  int r = pml__tls_feed(t, early->data, early->len, take, ud);
  pml_buf_unref(early);
  return r;
}

/* One step with what is left of the bytes that came: 0, SSL_ERROR_WANT_READ, or another one. With
 * the handshake done up to `room` plain bytes go to `to`; *got is their number. */
static int step(pml__tls *t, pml_slice *left, uint8_t *to, size_t room, size_t *got) {
  enter(t, *left);
  int shakes = t->state == PML__TLS_SHAKES;
  int r = shakes ? SSL_do_handshake(t->ssl) : SSL_read(t->ssl, to, (int)room);
  int why = r > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);
  *left = t->io->have;
  if (t->renegotiates) return SSL_ERROR_SSL;
  if (why == SSL_ERROR_NONE && shakes) t->state = PML__TLS_OPEN;
  else if (why == SSL_ERROR_NONE) *got += (size_t)r;
  if (why == SSL_ERROR_NONE && t->keys && (t->since_keys += (uint32_t)r) >= KEYS_BYTES)
    t->keys = 0, t->since_keys = 0;
  return why;
}

int pml__tls_feed(pml__tls *t, const uint8_t *bytes, size_t n, pml__tls_take_fn take, void *ud) {
  uint8_t *plain = t->io->plain;
  pml_slice left = pml_slice_of(bytes, n);
  int why = SSL_ERROR_NONE;
  while (why == SSL_ERROR_NONE) {
    size_t have = 0;
    while (why == SSL_ERROR_NONE && have < PML__TLS_PLAIN)
      why = step(t, &left, plain + have, PML__TLS_PLAIN - have, &have);
    if (have && take(plain, have, ud)) return 0;
  }
  if (why == SSL_ERROR_WANT_READ) return 0;
  return why == SSL_ERROR_ZERO_RETURN ? PML_ECLOSED : broken(t);
}

/* ---- what goes out ---- */

/* The first bytes of q as one piece. */
static pml_slice first_of(pml__tls_io *io, pml__outq *q) {
  const pml__out *o = pml__outq_at(q, 0);
  if (q->count == 1 || o->len >= PML__TLS_RECORD)
    return pml_slice_of(o->b->data + o->off, o->len < PML__TLS_RECORD ? o->len : PML__TLS_RECORD);
  size_t n = 0;
  for (uint32_t i = 0; i < q->count && n < PML__TLS_RECORD; i++) {
    o = pml__outq_at(q, i);
    size_t k = o->len < PML__TLS_RECORD - n ? o->len : PML__TLS_RECORD - n;
    memcpy(io->together + n, o->b->data + o->off, k);
    n += k;
  }
  return pml_slice_of(io->together, n);
}

int pml__tls_seal(pml__tls *t, pml__outq *q, pml_refs *refs) {
  if (t->out.len || !q || !q->count) return 0;
  if (t->state != PML__TLS_OPEN) return PML_EPROTO;
  pml__outq_settle(q);
  pml_slice plain = first_of(t->io, q);
  block_room(t->io, &t->out, plain.n + OVERHEAD);
  enter(t, pml_slice_of(NULL, 0));
  int r = SSL_write(t->ssl, plain.p, (int)plain.n);
  if (r <= 0) return broken(t);
  pml__outq_pop(q, refs, (size_t)r);
  return 0;
}

int pml__tls_notify(pml__tls *t) {
  if (t->state != PML__TLS_OPEN || t->notified) return 0;
  t->notified = 1;
  enter(t, pml_slice_of(NULL, 0));
  SSL_shutdown(t->ssl);
  ERR_clear_error();
  return t->out.len > 0;
}

pml_slice pml__tls_unsent(const pml__tls *t) {
  if (!t->out.len) return pml_slice_of(NULL, 0);
  return pml_slice_of(t->out.p + t->out.off, t->out.len - t->out.off);
}

int pml__tls_is_cut(const pml__tls *t) { return t->head || t->content; }

uint32_t pml__tls_held(const pml__tls *t) {
  uint32_t reads = t->ssl && pml__tls_is_cut(t) ? READ_ROOM : 0;
  return reads + t->out.cap + (uint32_t)(t->early.len + pml_tls_hello_held(&t->hello));
}

void pml__tls_sent(pml__tls *t, size_t n) {
  t->out.off += (uint32_t)n;
  if (t->out.off == t->out.len) block_drop(t->io, &t->out);
}
