/* proxy_header: the header by which a proxy says for whom it connects, before the client's own
 * first byte. Versions 1 (a line of text) and 2 (binary) of "The PROXY protocol", which HAProxy
 * Technologies publishes as doc/proxy-protocol.txt.
 *
 * A connection of a proxy for itself (LOCAL, UNKNOWN, addresses that are no IP) is told as such,
 * and the fields of version 2 that follow the addresses are skipped. Strict: a header that is
 * begun and is not well formed is an error, never the client's bytes. Pure; it keeps at most 108
 * bytes of what came. */
#ifndef PML_WIRE_PROXY_HEADER_H
#define PML_WIRE_PROXY_HEADER_H

#include "base/cidr.h"

#define PML_PROXY_LINE_MAX 107u  /* bytes of a header of version 1, with its CR LF */
#define PML_PROXY_REST_MAX 4096u /* bytes of one of version 2 behind the first 16 */

/* Zeroed is a valid start. All of it is private. */
typedef struct {
  uint8_t state, known;
  uint8_t have;  /* of held */
  uint16_t skip; /* bytes of version 2 that are still to come, and not looked at */
  uint8_t held[PML_PROXY_LINE_MAX + 1];
} pml_proxy_header;

typedef struct {
  int known; /* 0: the proxy connects for itself, or does not say for whom */
  pml_address from;
  uint16_t port;
} pml_proxy_client;

/* Feeds the first bytes of a connection. PML_EAGAIN: more are needed, all were taken. 0: the header
 * is over, *used bytes of these were its own, *out is set. PML_ENOENT: there is none; *used is 0,
 * and what earlier feeds took is pml_proxy_header_taken. PML_EPROTO. After anything but PML_EAGAIN
 * it must not be fed again. */
int pml_proxy_header_feed(pml_proxy_header *h, const uint8_t *p, size_t n, size_t *used,
                          pml_proxy_client *out);
/* Bytes of earlier feeds that were no header; borrowed from nobody. */
pml_slice pml_proxy_header_taken(const pml_proxy_header *h);
/* Whether a client's first bytes look like such a header, for those who may not send one. */
int pml_proxy_header_begins(const uint8_t *p, size_t n);

#endif
