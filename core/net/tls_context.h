/* tls_context: the certificates of a port as one counted object that does not change: a context of
 * OpenSSL for each host name, and one for all other clients. A renewed certificate is another
 * object; connections keep the one that they began with.
 *
 * TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers only; no renegotiation, no
 * compression, no early data; no cache of sessions: tickets (net/tls_tickets) bring clients back.
 * Clients that offer protocols by ALPN get http/1.1 when it is among them.
 *
 * For any thread. */
#ifndef PML_NET_TLS_CONTEXT_H
#define PML_NET_TLS_CONTEXT_H

#include "net/tls_pair.h"
#include "net/tls_tickets.h"

typedef struct pml_tls pml_tls;

/* All is borrowed. What is left out is NULL or 0. */
typedef struct {
  const char *cert, *key; /* for clients that ask for no name of `names` */
  const char *chain[PML_TLS_CHAIN_FILES];
  const char *base;    /* the folder of relative paths; NULL: the working directory */
  const char *setting; /* where the files are named, for messages; NULL: "ssl" */
  const pml_tls_pair *names;
  size_t n;
  pml_tls_tickets *tickets; /* a reference is taken; NULL: keys of its own */
  int strict;               /* a certificate that is not valid now is an error */
} pml_tls_files;

/* Reads all files. Returns owned, or NULL with a line in err, which names setting and file. */
pml_tls *pml_tls_load(const pml_tls_files *f, char *err, size_t nerr);
/* Whoever has an SSL of one of its contexts holds a reference, too, for as long. */
pml_tls *pml_tls_ref(pml_tls *t); /* NULL gives NULL */
void pml_tls_unref(pml_tls *t);   /* NULL is allowed */

/* What a new connection begins with; it goes over to another context when the client asks for a
 * host that has one. Borrowed from t. */
SSL_CTX *pml_tls_ctx(const pml_tls *t);
/* The context for a host name: of that very name, else of the longest name with a star that fits
 * it ("*.example.org" fits a.example.org and a.b.example.org), else pml_tls_ctx. Letters of both
 * cases are equal. Borrowed. */
SSL_CTX *pml_tls_ctx_of(const pml_tls *t, const char *host);

/* What the operator should know of it, one a line; "": nothing. Borrowed. */
const char *pml_tls_notes(const pml_tls *t);
/* Seconds since 1970 when the first of its certificates ends; *file, borrowed: that certificate's.
 */
int64_t pml_tls_until(const pml_tls *t, const char **file);

/* What a connection has negotiated. */
typedef struct {
  const char *version, *cipher; /* as OpenSSL calls them: "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
  const char *name;             /* the host that the client asked for (SNI); NULL: none */
} pml_tls_facts;

#endif
