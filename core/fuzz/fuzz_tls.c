/* A client of OpenSSL's against the filter of net/tls, in memory; the input says who does what
 * next, where the stream is cut, and what of it is changed or put in between. Plain bytes of both
 * directions are numbered: what comes out is always the beginning of what went in, also when
 * somebody has changed the stream, and nothing breaks when nobody has. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "net/tls.h"
#include "test/certs.h"

#include <openssl/err.h>

#define MOST 400000u /* bytes of one direction */

static pml_tls *with;
static pml__tls_io *io;
static pml__outqs spare;
static pml_refs refs;
static SSL_CTX *clients[2]; /* TLS 1.3, TLS 1.2 */

typedef struct {
  pml__tls *t;
  pml__outq *q;
  SSL *ssl;
  BIO *in, *out;             /* the client's */
  uint32_t written, taken;   /* by the client; by the server */
  uint32_t queued, received; /* by the server; by the client */
  int keys;                  /* how often the client has asked for new ones */
  int changed;               /* somebody has touched what the client sends, or it misbehaves */
  int gone;                  /* the server gets no more */
  int notified;              /* the server has said that it sends no more */
} pair;

static uint8_t nth(uint32_t i) { return (uint8_t)(i * 7 + i / 250); }

static void init(void) {
  if (with) return;
  certs c;
  char err[512];
  certs_begin(&c);
  certs_make(&c, "a.crt", "a.key", "localhost", -60, 86400, NULL);
  with =
    pml_tls_load(&(pml_tls_files){.cert = "a.crt", .key = "a.key", .base = c.dir}, err, sizeof err);
  certs_end(&c);
  io = pml__tls_io_new();
  MUST(with && io);
  for (int i = 0; i < 2; i++) {
    clients[i] = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_options(clients[i], SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  }
  SSL_CTX_set_max_proto_version(clients[1], TLS1_2_VERSION);
}

static int take(uint8_t *bytes, size_t n, void *ud) {
  pair *p = ud;
  MUST(n > 0 && n <= PML__TLS_PLAIN && p->taken + n <= p->written);
  for (size_t i = 0; i < n; i++) MUST(bytes[i] == nth(p->taken++));
  memset(bytes, 0, n); /* as one that unmasks */
  return 0;
}

static void to_server(pair *p, const uint8_t *bytes, size_t n) {
  if (p->gone || !n) return;
  uint8_t *copy = malloc(n);
  memcpy(copy, bytes, n);
  int r;
  if (pml__tls_state_of(p->t) == PML__TLS_HELLO) {
    r = pml__tls_collect(p->t, copy, n);
    MUST((r == 0) == (pml__tls_state_of(p->t) == PML__TLS_WAITS));
    if (!r) r = pml__tls_begin(p->t, take, p);
    else if (r == PML_EPROTO) p->gone = 1;
  } else {
    r = pml__tls_feed(p->t, copy, n, take, p);
  }
  free(copy);
  MUST(r == 0 || r == PML_EAGAIN || r == PML_ECLOSED || r == PML_EPROTO);
  if (r == PML_EPROTO) MUST(p->changed);
  if (r == PML_EPROTO || r == PML_ECLOSED) p->gone = 1;
}

/* What the client has to say, n bytes of it; `change`: one of them is another one. */
static void carry(pair *p, size_t n, int change) {
  static uint8_t bytes[70000];
  int k = BIO_read(p->out, bytes, (int)(n < sizeof bytes ? n : sizeof bytes));
  if (k <= 0) return;
  if (change) {
    bytes[(size_t)change % (size_t)k] ^= 1;
    p->changed = 1;
  }
  to_server(p, bytes, (size_t)k);
}

static void to_client(pair *p, size_t n) {
  pml_slice s = pml__tls_unsent(p->t);
  if (n > s.n) n = s.n;
  if (!n) return;
  MUST(BIO_write(p->in, s.p, (int)n) == (int)n);
  pml__tls_sent(p->t, n);
  MUST(pml__tls_unsent(p->t).n == s.n - n);
}

static void client(pair *p) {
  static uint8_t bytes[20000];
  ERR_clear_error();
  int r;
  while ((r = SSL_read(p->ssl, bytes, sizeof bytes)) > 0) {
    MUST(p->received + (uint32_t)r <= p->queued);
    for (int i = 0; i < r; i++) MUST(bytes[i] == nth(p->received++));
  }
  int why = SSL_get_error(p->ssl, r);
  /* OpenSSL takes no data after its own close_notify. */
  if (!p->changed && !SSL_get_shutdown(p->ssl))
    MUST(why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN);
}

static void client_writes(pair *p, size_t n) {
  static uint8_t bytes[20000];
  if (!SSL_is_init_finished(p->ssl) || p->written + n > MOST || !n) return;
  if (SSL_get_shutdown(p->ssl) & SSL_SENT_SHUTDOWN) return;
  for (size_t i = 0; i < n; i++) bytes[i] = nth(p->written + (uint32_t)i);
  if (SSL_write(p->ssl, bytes, (int)n) == (int)n) p->written += (uint32_t)n;
}

static void client_negotiates(pair *p) {
  if (!SSL_is_init_finished(p->ssl)) return;
  if (SSL_version(p->ssl) == TLS1_3_VERSION) {
    SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED);
    if (++p->keys > 64) p->changed = 1; /* which may end it */
  } else {
    p->changed = 1; /* which ends it */
    SSL_renegotiate(p->ssl);
  }
  SSL_do_handshake(p->ssl);
}

static void queue(pair *p, size_t n) {
  if (p->queued + n > MOST || !n) return;
  pml_buf *b = pml_buf_new(n);
  for (size_t i = 0; i < n; i++) b->data[i] = nth(p->queued++);
  pml__outq_put(&spare, &p->q, b, pml_buf_slice(b));
}

static void seal(pair *p) {
  if (pml__tls_state_of(p->t) != PML__TLS_OPEN || !p->q || p->notified) return;
  int empty = !pml__tls_unsent(p->t).n;
  size_t waits = pml__outq_length(p->q), before = pml__tls_unsent(p->t).n;
  MUST(pml__tls_seal(p->t, p->q, &refs) == 0);
  size_t sealed = waits - pml__outq_length(p->q);
  MUST(sealed <= PML__TLS_RECORD && (empty ? waits == 0 || sealed > 0 : sealed == 0));
  MUST(pml__tls_unsent(p->t).n >= before + sealed);
  if (p->q->count) return;
  pml__outq_free(&spare, p->q);
  p->q = NULL;
}

static void act(pair *p, uint8_t what, size_t arg, const uint8_t *rest, size_t left) {
  switch (what % 12) {
  case 0: carry(p, arg + 1, 0); break;
  case 1: carry(p, SIZE_MAX, 0); break;
  case 2: to_client(p, arg + 1); break;
  case 3: to_client(p, SIZE_MAX); break;
  case 4: client(p); break;
  case 5: client_writes(p, arg * (what & 0x80 ? 70 : 1)); break;
  case 6: queue(p, arg * (what & 0x80 ? 150 : 1)); break;
  case 7: seal(p); break;
  case 8: client_negotiates(p); break;
  case 9: carry(p, SIZE_MAX, (int)arg + 1); break;
  case 10:
    p->changed = 1;
    to_server(p, rest, left < arg ? left : arg);
    break;
  default:
    if (what & 0x80) p->notified |= pml__tls_notify(p->t);
    else if (SSL_is_init_finished(p->ssl)) SSL_shutdown(p->ssl);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  init();
  pair p = {.t = pml__tls_new(io, with, NULL), .ssl = SSL_new(clients[d[0] & 1])};
  p.in = BIO_new(BIO_s_mem());
  p.out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(p.in, -1);
  BIO_set_mem_eof_return(p.out, -1);
  SSL_set_bio(p.ssl, p.in, p.out);
  SSL_set_connect_state(p.ssl);
  int shakes = d[0] & 2; /* the handshake is done first */
  for (int i = 0; shakes && i < 4; i++) {
    client(&p);
    carry(&p, SIZE_MAX, 0);
    to_client(&p, SIZE_MAX);
  }
  if (shakes) MUST(pml__tls_state_of(p.t) == PML__TLS_OPEN);
  for (size_t i = 1; i + 1 < n && i < 400; i += 2) act(&p, d[i], d[i + 1], d + i + 2, n - i - 2);
  if (p.q) {
    pml__outq_cut(p.q, 0);
    pml__outq_free(&spare, p.q);
  }
  pml_refs_settle(&refs);
  SSL_free(p.ssl);
  pml__tls_free(p.t);
  ERR_clear_error();
  return 0;
}
