/* tls: what lies between a client's packages and its socket with --tls. */
#ifndef PML_TOOLS_LOAD_TLS_H
#define PML_TOOLS_LOAD_TLS_H

#include "tools/load/client.h"

/* Ends the process when --ca cannot be read. */
void load_tls_trust(load *l);
void load_tls_begin(client *c);
void load_tls_end(client *c);
/* What the socket gets: that of c->out, once the handshake is done, and what TLS itself has to say.
 * Borrowed. */
pml_writer *load_tls_seal(client *c);
/* Bytes of the server; the handshake goes on, or they go to l->plain. 1: the handshake is done, now
 * or long ago; 0: not yet; -1: the connection is lost, and standard error says why. */
int load_tls_open(client *c, const uint8_t *p, size_t n);

#endif
