#include "net/tls_context.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct {
  char *name; /* NULL: for all other clients */
  char *cert;
  int64_t until; /* seconds since 1970 when its certificate ends */
  SSL_CTX *ctx;
} entry;

struct pml_tls {
  _Atomic uint32_t refs;
  pml_tls_tickets *tickets;
  pml_writer notes; /* ends with a NUL */
  size_t n;
  entry v[];
};

/* --- what a connection may negotiate ------------------------------------------------ */

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

/* ALPN: http/1.1 when it is offered. A client that offers other protocols only is not refused: it
 * may speak Pomelo's without a name for it. */
static int on_alpn(SSL *s, const unsigned char **out, unsigned char *nout, const unsigned char *in,
                   unsigned nin, void *ud) {
  static const unsigned char http[] = "\x8http/1.1";
  (void)s;
  (void)ud;
  for (unsigned at = 0; at < nin; at += 1u + in[at]) {
    unsigned n = in[at];
    if (n >= nin - at) break;
    if (n != http[0] || memcmp(in + at + 1, http + 1, n) != 0) continue;
    *out = in + at + 1;
    *nout = (unsigned char)n;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

static int on_host(SSL *s, int *alert, void *ud) {
  const pml_tls *t = ud;
  const char *host = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
  (void)alert;
  if (!host) return SSL_TLSEXT_ERR_NOACK;
  SSL_CTX *ctx = pml_tls_ctx_of(t, host);
  if (ctx != SSL_get_SSL_CTX(s) && !SSL_set_SSL_CTX(s, ctx)) return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

/* A context without a certificate, or NULL. */
static SSL_CTX *new_context(pml_tls *t) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  if (!ctx) return NULL;
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(ctx, 0);
  if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) || !SSL_CTX_set_num_tickets(ctx, 1) ||
      !SSL_CTX_set_cipher_list(ctx, CIPHERS) || !SSL_CTX_set1_groups_list(ctx, GROUPS)) {
    SSL_CTX_free(ctx);
    return NULL;
  }
  pml_tls_tickets_use(t->tickets, ctx);
  SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
  SSL_CTX_set_tlsext_servername_callback(ctx, on_host);
  SSL_CTX_set_tlsext_servername_arg(ctx, t);
  return ctx;
}

/* --- loading ------------------------------------------------------------------------ */

static void note(pml_tls *t, const char *text) {
  if (t->notes.len) pml_writer_put(&t->notes, "\n", 1);
  pml_writer_put(&t->notes, text, strlen(text));
}

static void put_day(char *out, size_t n, int64_t seconds) {
  time_t when = (time_t)seconds;
  struct tm tm;
  if (!gmtime_r(&when, &tm) || !strftime(out, n, "%Y-%m-%d %H:%M:%S UTC", &tm))
    snprintf(out, n, "an unknown day");
}

/* Whether the certificate may serve: 0, or PML_EINVAL with a line in err. */
static int judge(pml_tls *t, const pml_tls_files *f, const pml_tls_pair *p,
                 const pml_tls_validity *v, char *err, size_t nerr) {
  int64_t now = (int64_t)time(NULL);
  char line[1024], day[40];
  int bad = now > v->until || now < v->from;
  if (bad) {
    put_day(day, sizeof day, now > v->until ? v->until : v->from);
    snprintf(line, sizeof line, "%s.cert: %s: %s %s; clients that check it will refuse it",
             p->setting, p->cert,
             now > v->until ? "the certificate has expired, on"
                            : "the certificate is not valid yet: it begins on",
             day);
    if (f->strict) {
      snprintf(err, nerr, "%s", line);
      return PML_EINVAL;
    }
    note(t, line);
  }
  if (!v->covers) {
    snprintf(line, sizeof line, "%s.cert: %s: the certificate is not for the name %s", p->setting,
             p->cert, p->name);
    note(t, line);
  }
  return 0;
}

static int load_one(pml_tls *t, const pml_tls_files *f, const pml_tls_pair *p, char *err,
                    size_t nerr) {
  entry *e = &t->v[t->n];
  pml_tls_validity v;
  SSL_CTX *ctx = new_context(t);
  if (!ctx) {
    snprintf(err, nerr, "%s: OpenSSL makes no context: %s", p->setting,
             ERR_reason_error_string(ERR_get_error()));
    return PML_EINVAL;
  }
  int rc = pml_tls_pair_use(ctx, f->base ? f->base : ".", p, &v, err, nerr);
  if (!rc) rc = judge(t, f, p, &v, err, nerr);
  if (rc) {
    SSL_CTX_free(ctx);
    return rc;
  }
  *e = (entry){p->name ? pml_strdup(p->name) : NULL, pml_strdup(p->cert), v.until, ctx};
  t->n++;
  return 0;
}

pml_tls *pml_tls_load(const pml_tls_files *f, char *err, size_t nerr) {
  pml_tls *t = pml_alloc0(sizeof *t + (f->n + 1) * sizeof t->v[0]);
  pml_tls_pair first = {.setting = f->setting ? f->setting : "ssl", .cert = f->cert, .key = f->key};
  memcpy(first.chain, f->chain, sizeof first.chain);
  atomic_init(&t->refs, 1);
  t->tickets = f->tickets ? pml_tls_tickets_ref(f->tickets) : pml_tls_tickets_new();
  int rc = load_one(t, f, &first, err, nerr);
  for (size_t i = 0; !rc && i < f->n; i++) rc = load_one(t, f, &f->names[i], err, nerr);
  if (rc) {
    pml_tls_unref(t);
    return NULL;
  }
  pml_writer_put(&t->notes, "", 1);
  return t;
}

pml_tls *pml_tls_ref(pml_tls *t) {
  if (t) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}

void pml_tls_unref(pml_tls *t) {
  if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < t->n; i++) {
    SSL_CTX_free(t->v[i].ctx);
    pml_free(t->v[i].name);
    pml_free(t->v[i].cert);
  }
  pml_tls_tickets_unref(t->tickets);
  pml_writer_drop(&t->notes);
  pml_free(t);
}

/* --- asking ------------------------------------------------------------------------- */

SSL_CTX *pml_tls_ctx(const pml_tls *t) { return t->v[0].ctx; }

/* How well a name fits: 0: not at all. A host's final dot is not part of n. */
static size_t fits(const char *name, const char *host, size_t n) {
  size_t len = strlen(name);
  if (len == n && strncasecmp(name, host, n) == 0) return SIZE_MAX;
  if (name[0] != '*' || len - 1 >= n) return 0;
  return strncasecmp(name + 1, host + n - (len - 1), len - 1) == 0 ? len : 0;
}

SSL_CTX *pml_tls_ctx_of(const pml_tls *t, const char *host) {
  const entry *best = &t->v[0];
  size_t n = strlen(host), most = 0;
  if (n && host[n - 1] == '.') n--;
  for (size_t i = 1; i < t->n; i++) {
    size_t good = fits(t->v[i].name, host, n);
    if (good > most) {
      most = good;
      best = &t->v[i];
    }
  }
  return best->ctx;
}

const char *pml_tls_notes(const pml_tls *t) {
  return (const char *)pml_writer_at((pml_writer *)(uintptr_t)&t->notes, 0);
}

int64_t pml_tls_until(const pml_tls *t, const char **file) {
  const entry *first = &t->v[0];
  for (size_t i = 1; i < t->n; i++)
    if (t->v[i].until < first->until) first = &t->v[i];
  *file = first->cert;
  return first->until;
}
