/* tls_pair: a certificate with its chain and its private key, read from files into a context of
 * OpenSSL, and what is wrong with them, with the file, in words for an operator.
 *
 * Files are PEM: the server's own certificate first, then those that lead to a known authority. A
 * key behind a passphrase is refused: nobody is asked, and nothing waits. For any thread. */
#ifndef PML_NET_TLS_PAIR_H
#define PML_NET_TLS_PAIR_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#define PML_TLS_CHAIN_FILES 8
#define PML_TLS_FILE_MAX (1u << 20) /* bytes of a file */

/* All strings are borrowed. */
typedef struct {
  const char *name;    /* the host name that a client asks for, perhaps "*.example.org"; NULL: any
                          other */
  const char *setting; /* where the files are named, for messages: "connectorConfig.ssl" */
  const char *cert, *key;                 /* paths */
  const char *chain[PML_TLS_CHAIN_FILES]; /* more certificates of the chain, up to a NULL */
} pml_tls_pair;

typedef struct {
  int64_t from, until; /* seconds since 1970 between which the server's certificate is valid */
  int covers;          /* whether it is for the pair's name; 1 without one */
} pml_tls_validity;

/* Reads p's files, relative paths from the folder `base`, into ctx. 0, or PML_EINVAL with a line in
 * err. What is not valid now is read all the same: that is in *v. */
int pml_tls_pair_use(SSL_CTX *ctx, const char *base, const pml_tls_pair *p, pml_tls_validity *v,
                     char *err, size_t nerr);

#endif
