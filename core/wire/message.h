/* message: Pomelo's message layer, the body of a DATA package (protocol 2).
 *
 *   [flag u8][id varint: REQUEST, RESPONSE][route: REQUEST, NOTIFY, PUSH][body]
 *   flag: bit 0 compressed route, bits 1..3 type, bit 4 gzip
 *   route: plain [length u8][bytes], compressed [code u16 big-endian] */
#ifndef PML_WIRE_MESSAGE_H
#define PML_WIRE_MESSAGE_H

#include "base/buf.h"

enum { PML_MSG_REQUEST = 0, PML_MSG_NOTIFY = 1, PML_MSG_RESPONSE = 2, PML_MSG_PUSH = 3 };

#define PML_MSG_ID_MAX 0x7fffffffu
#define PML_MSG_ROUTE_MAX 255u

/* Borrows the bytes it was read from. */
typedef struct {
  uint8_t type;       /* 0..7: what stands in the flag */
  uint8_t compressed; /* then code is set and route is empty; only where a route belongs */
  uint8_t gzip;
  uint32_t id; /* 0: none */
  uint16_t code;
  pml_slice route;
  pml_slice body;
} pml_message_view;

/* 0; PML_EPROTO: empty, a cut varint, route or code, an id of more than 5
 * bytes or above PML_MSG_ID_MAX. Types 4..7 carry neither id nor route, a
 * RESPONSE no route: they are read, and the caller ignores them. */
int pml_message_read(pml_slice in, pml_message_view *out);

/* Appends flag, id and route (not the body) of m: type, gzip, id, and compressed with code or
 * plain with route; of these only what the type carries. PML_ETOOBIG: a plain
 * route above 255 bytes. PML_EINVAL: an id above PML_MSG_ID_MAX. Nothing is
 * appended then. */
int pml_message_write_head(pml_writer *w, const pml_message_view *m);

#endif
