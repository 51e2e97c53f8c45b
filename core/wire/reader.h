/* reader: reads what one client sends: bytes in, events out. The first byte decides: an upper-case
 * letter begins an HTTP request, which opens a WebSocket or is refused; 1 to 5 begins a Pomelo
 * package; anything else is an error. Packages are not parsed here (wire/package): their bytes are
 * handed on as one stream.
 *
 * It knows no socket, so TLS or a proxy's header can stand before it. It keeps a cut request head
 * or a cut control frame, and nothing else: what it allocates grows with what has come, to 16 KiB,
 * and never with a length that the client announced. */
#ifndef PML_WIRE_READER_H
#define PML_WIRE_READER_H

#include "base/buf.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"

/* What a piece is part of: the stream of packages, or a WebSocket message. */
enum { PML_STREAM, PML_TEXT, PML_BINARY };

/* Anything but 0 stops the feed, which returns that value. */
typedef struct {
  /* The first package begins, or the WebSocket is open. Once, before the first piece. */
  int (*opened)(int is_ws, void *ud);
  /* Borrowed. fin: the last piece of a WebSocket message; an empty message is one empty piece with
   * fin, an empty fragment one without. A stream has no fin. Positive: so many bytes at its end
   * were not taken. */
  int (*piece)(int kind, pml_slice bytes, int fin, void *ud);
  /* To be sent back: the answer that opens the WebSocket, before `opened`; a pong. Takes block. */
  int (*reply)(pml_buf *block, void *ud);
  /* The HTTP request opens no WebSocket. To be sent back before the connection is closed. Takes
   * answer. */
  void (*refused)(pml_buf *answer, void *ud);
  /* The client's close frame; code PML_WS_NO_STATUS: it has none. answer is the close frame for the
   * client, of use if it was sent none before. Takes answer. */
  void (*closed)(uint16_t code, pml_buf *answer, void *ud);
  /* NULL, or asked before a WebSocket opens. head: the HTTP request, borrowed. 0, or the status 403
   * or 429, with which it is refused. */
  int (*request)(pml_slice head, void *ud);
  /* NULL, or told of a pong. */
  int (*pong)(void *ud);
} pml_reader_hooks;

/* Zeroed is a valid start. */
typedef struct {
  union {
    pml_ws_handshake shake;
    pml_ws_frame frame;
  } in;          /* private */
  uint8_t state; /* private */
  uint16_t code; /* read-only: after PML_EPROTO or PML_ETOOBIG the close code for a WebSocket */
} pml_reader;

/* Unmasks bytes in place. frame_max: of a WebSocket frame's announced length. 0; how many
 * bytes at the end were not taken because `piece` took no more: they are to be fed again,
 * unchanged, before all others; PML_EPROTO or PML_ETOOBIG, which are the client's fault;
 * PML_ECLOSED after `refused` or `closed`; or what a hook returned. After a negative value the
 * reader must not be fed again. n is below 2 GiB. */
int pml_reader_feed(pml_reader *r, uint8_t *bytes, size_t n, uint64_t frame_max,
                    const pml_reader_hooks *hooks, void *ud);
void pml_reader_fini(pml_reader *r);
/* 0 when nothing is cut in the middle right now, no request, no frame and no message; else a number
 * that is another one for the next of them, as long as fewer than 65,536 end between two calls. Of
 * the stream of packages it knows nothing: 0. */
uint32_t pml_reader_number(const pml_reader *r);
/* Bytes that the reader has allocated. */
uint32_t pml_reader_held(const pml_reader *r);

#endif
