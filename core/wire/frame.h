/* frame: one outgoing package in one immutable block that both wire forms share.
 *
 *   [unused][WebSocket header 2, 4 or 10][package header 4][package body]
 *
 * The block is built with room for the longest WebSocket header in front; a
 * server's frames are not masked, so the same bytes serve every receiver: a
 * WebSocket connection sends from its header on, a TCP connection from the
 * package on (RFC 6455 5.2; protocol 1 and protocol 0.1: one package per
 * binary frame). */
#ifndef PML_WIRE_FRAME_H
#define PML_WIRE_FRAME_H

#include "base/buf.h"

#define PML_FRAME_ROOM 14u /* 10 for the longest WebSocket header, 4 for the package's */

/* Starts a frame in an empty writer; the body is appended after it. */
void pml_frame_begin(pml_writer *w);
/* Ends it. Returns owned, or NULL when the body is above PML_PKG_MAX (the
 * writer is dropped then). */
pml_buf *pml_frame_end(pml_writer *w, uint8_t package_type);
/* A whole package at once. Returns owned, or NULL as above. */
pml_buf *pml_frame_of(uint8_t package_type, const void *body, size_t n);

pml_slice pml_frame_ws(const pml_buf *frame);      /* borrowed: with its WebSocket header */
pml_slice pml_frame_package(const pml_buf *frame); /* borrowed: without */
pml_slice pml_frame_body(const pml_buf *frame);    /* borrowed: the package's body */

#endif
