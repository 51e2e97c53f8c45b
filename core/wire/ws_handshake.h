/* ws_handshake: the opening handshake, RFC 6455 section 4.2: an HTTP request in, the
 * answer out. Versions 8 and 13, any path, any Origin; the first offered
 * subprotocol is echoed; no extension is accepted (protocol 7.4). Also the
 * answer to plain HTTP: 426 with a sentence. */
#ifndef PML_WIRE_WS_HANDSHAKE_H
#define PML_WIRE_WS_HANDSHAKE_H

#include "base/buf.h"

#define PML_WS_HANDSHAKE_HEAD_MAX 16384u /* request line and headers */

/* Zeroed is a valid start. */
typedef struct {
  uint8_t *part; /* private: a cut request head, owned; grows with what arrives */
  uint32_t have, cap;
} pml_ws_handshake;

typedef struct {
  int status;      /* 101 upgraded; 400, 405, 426, 431, 500: refused, close after the answer */
  pml_buf *answer; /* owned by the receiver */
  size_t used;     /* bytes of this feed that belong to the head; the rest are frames */
  pml_slice head;  /* 101: the request; borrowed until pml_ws_handshake_fini, and from the bytes */
} pml_ws_handshake_result;

/* PML_EAGAIN: more bytes needed, all were taken. 0: *out is set. PML_EPROTO: the head begins as a
 * proxy's header does (wire/proxy_header), which is no HTTP. */
int pml_ws_handshake_feed(pml_ws_handshake *h, const uint8_t *bytes, size_t n,
                          pml_ws_handshake_result *out);
/* The answer becomes a refusal: 403, or 429 for a client of which there are too many. */
void pml_ws_handshake_refuse(pml_ws_handshake_result *r, int status);
void pml_ws_handshake_fini(pml_ws_handshake *h);

#endif
