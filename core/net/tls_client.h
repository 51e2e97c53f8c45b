/* tls_client: the client's end of a TLS connection: bytes from the server go in, bytes for it come
 * out, no socket is known. For the scripted client and the load generator; the server has none.
 *
 * A client is of one thread; a pml_tls_trust is for any thread, and may be freed before the clients
 * that were made with it. */
#ifndef PML_NET_TLS_CLIENT_H
#define PML_NET_TLS_CLIENT_H

#include "base/buf.h"

typedef struct pml_tls_trust pml_tls_trust; /* whom clients believe */
typedef struct pml_tls_client pml_tls_client;

/* ca: the PEM file of the authorities that are believed; NULL: those of the system. insecure:
 * anybody is believed. Returns owned, or NULL with a line in err. */
pml_tls_trust *pml_tls_trust_new(const char *ca, int insecure, char *err, size_t nerr);
void pml_tls_trust_free(pml_tls_trust *t); /* NULL is allowed */

/* host: the name or the address for which the server's certificate has to be. Returns owned. */
pml_tls_client *pml_tls_client_new(pml_tls_trust *t, const char *host);
void pml_tls_client_free(pml_tls_client *c); /* NULL is allowed */

/* Goes on with the handshake: 1: it is done; 0: bytes of the server are missing; PML_EPROTO: it has
 * failed, see pml_tls_client_error. Take what is to be sent in any case. */
int pml_tls_client_shake(pml_tls_client *c);
/* Bytes of the server. */
void pml_tls_client_feed(pml_tls_client *c, const uint8_t *p, size_t n);
/* Appends all that the server has sent. 0, or PML_ECLOSED: it sends no more; PML_EPROTO. Take what
 * is to be sent in any case. */
int pml_tls_client_read(pml_tls_client *c, pml_writer *out);
/* Seals n bytes: after the handshake. 0 or PML_EPROTO. */
int pml_tls_client_write(pml_tls_client *c, const void *p, size_t n);
/* Appends what is to be sent to the server. */
void pml_tls_client_take(pml_tls_client *c, pml_writer *out);
/* Why PML_EPROTO. Borrowed. */
const char *pml_tls_client_error(const pml_tls_client *c);

#endif
