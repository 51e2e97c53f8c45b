/* web_tls: the page server's certificate, by GnuTLS, as libmicrohttpd needs it: read from two PEM
 * files, read again when they change, and given to each handshake. A pair that cannot be served
 * leaves the one before in force.
 *
 * No file is asked for twice, no password is asked for: an encrypted key is refused.
 *
 * For host/web only. */
#ifndef PML_HOST_WEB_TLS_H
#define PML_HOST_WEB_TLS_H

#include "base/log.h"
#include "host/web_guard.h"

#include <gnutls/abstract.h>

typedef struct pml__web_tls pml__web_tls;

/* GnuTLS's words for TLS 1.2 and 1.3, with forward secrecy and authenticated encryption. */
#define PML__WEB_TLS_PRIORITIES \
  "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:" \
  "+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:" \
  "+SIGN-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE"

/* Reads the pair. log: for renewals, borrowed, may be NULL. PML_EINVAL with a line in err; a
 * certificate that is not valid now is a warning in the log. */
int pml__web_tls_new(const pml_web_options *o, const pml_log *log, pml__web_tls **out, char *err,
                     size_t nerr);
void pml__web_tls_free(pml__web_tls *t); /* NULL is allowed; no handshake is under way */

/* The pair for a handshake of a connection that the guard counts. Borrowed: it stays as long as
 * the connection does. */
void pml__web_tls_pair(pml__web_tls *t, gnutls_pcert_st **certs, unsigned *n,
                       gnutls_privkey_t *key);

/* Looks whether the files have changed, and have not changed since the last look; reads them then.
 * Returns when to look again. */
uint64_t pml__web_tls_look(pml__web_tls *t, uint64_t now, pml__web_guard *g);
/* As pml_web_renew. */
int pml__web_tls_renew(pml__web_tls *t, char *err, size_t nerr);
void pml__web_tls_counts(pml__web_tls *t, uint64_t *renewed, uint64_t *failed);

#endif
