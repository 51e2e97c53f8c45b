/* tls_hello: the first record of a TLS connection, collected and looked at before anything of a TLS
 * library is allocated: a stranger who sends one byte costs what he sent. RFC 8446 5.1 and 4 (the
 * same in RFC 5246 6.2.1 and 7.4): type 22, version 3.x, length; then type 1, ClientHello, and its
 * length of three bytes.
 *
 * What is kept grows with what has come, to PML_TLS_HELLO_MAX, and never with a length that the
 * client announced. */
#ifndef PML_WIRE_TLS_HELLO_H
#define PML_WIRE_TLS_HELLO_H

#include "base/buf.h"

#define PML_TLS_FIRST 0x16     /* the first byte of a TLS connection */
#define PML_TLS_RECORD_HEAD 5u /* bytes before the content of a record */
#define PML_TLS_HELLO_CONTENT \
  16384u /* of a first record, and of a ClientHello in several records */
#define PML_TLS_HELLO_MAX (PML_TLS_RECORD_HEAD + PML_TLS_HELLO_CONTENT)

/* Zeroed is a valid start. */
typedef struct {
  pml_writer part; /* private: a cut record */
} pml_tls_hello;

/* 0: the record is whole, and *record is it: borrowed, in bytes or in h; *used of the n bytes
 * belong to it. PML_EAGAIN: more are needed, all n were taken. PML_EPROTO: this is no ClientHello,
 * or one that is longer than the limit; h must not be fed again. n is not 0. */
int pml_tls_hello_feed(pml_tls_hello *h, const uint8_t *bytes, size_t n, pml_slice *record,
                       size_t *used);
/* Bytes that are kept. */
static inline size_t pml_tls_hello_held(const pml_tls_hello *h) { return h->part.len; }
void pml_tls_hello_fini(pml_tls_hello *h);

#endif
