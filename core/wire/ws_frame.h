/* ws_frame: RFC 6455 frames from a client (section 5), fed in any pieces.
 *
 * Data payload is reported piece by piece, unmasked in place, as it arrives;
 * nothing of it is stored here. A control frame's payload (at most 125 bytes)
 * is reported whole. Text is checked as UTF-8 across pieces and fragments. */
#ifndef PML_WIRE_WS_FRAME_H
#define PML_WIRE_WS_FRAME_H

#include "base/buf.h"
#include "wire/utf8.h"

enum {
  PML_WS_CONT = 0,
  PML_WS_TEXT = 1,
  PML_WS_BINARY = 2,
  PML_WS_CLOSE = 8,
  PML_WS_PING = 9,
  PML_WS_PONG = 10
};

/* Close codes, RFC 6455 7.4.1 */
enum {
  PML_WS_NORMAL = 1000,
  PML_WS_GOING_AWAY = 1001,
  PML_WS_PROTOCOL = 1002,
  PML_WS_UNSUPPORTED = 1003,
  PML_WS_NO_STATUS = 1005, /* never on the wire */
  PML_WS_ABNORMAL = 1006,  /* never on the wire */
  PML_WS_BAD_DATA = 1007,
  PML_WS_POLICY = 1008,
  PML_WS_TOO_BIG = 1009,
  PML_WS_INTERNAL = 1011
};

typedef struct {
  /* A piece of a data message: op is TEXT or BINARY also for continuation
   * frames; fin is set with the message's last piece (which may be empty).
   * A piece that is empty without fin is a whole empty fragment.
   * 0; how many bytes at the end of the piece were not taken, at most all: the feed stops there;
   * negative: it stops for good, and returns that value. */
  int (*on_data)(uint8_t op, pml_slice piece, int fin, void *ud);
  /* PING, PONG or CLOSE with its whole payload. For CLOSE the payload has been
   * checked (length not 1, code allowed, reason UTF-8). Anything but 0 stops the feed for good,
   * which returns that value. */
  int (*on_control)(uint8_t op, pml_slice payload, void *ud);
} pml_ws_frame_hooks;

/* Zeroed is a valid start. */
typedef struct {
  uint64_t left;       /* private: payload bytes of this frame to come */
  uint8_t *ctl;        /* private: a cut control payload, owned; NULL when idle */
  pml_utf8 utf8;       /* private */
  uint8_t mask[4];     /* private, as those that follow */
  uint16_t whole;      /* what came whole, counted round: messages, and control frames outside of
                          one */
  uint16_t code;       /* read-only: after an error, the close code to send */
  uint8_t head[14];    /* private, as those that follow: a cut frame header */
  uint8_t nhead, nctl; /* bytes in head, in ctl */
  uint8_t mask_at;
  uint8_t op : 4, ctl_op : 4; /* the message's op, 0 between messages; a control frame's */
  uint8_t in_payload, fin;
} pml_ws_frame;

/* Unmasks bytes in place. 0; how many bytes at the end were not taken, as they came: they are to be
 * fed again before all others; PML_EPROTO (p->code says which close code:
 * 1002, 1007), or PML_ETOOBIG (a frame whose announced length is above limit,
 * or has its top bit set; 1009 or 1002), or what a hook returned. n is below 2 GiB. */
int pml_ws_frame_feed(pml_ws_frame *p, uint8_t *bytes, size_t n, uint64_t limit,
                      const pml_ws_frame_hooks *hooks, void *ud);
void pml_ws_frame_fini(pml_ws_frame *p);
/* 0 when no message, no frame and no header is cut in the middle right now; else a number that is
 * another one for the next of them, as long as fewer than 65,536 end between two calls. */
uint32_t pml_ws_frame_number(const pml_ws_frame *p);

/* Writes a server's (unmasked) frame header; returns its size: 2, 4 or 10. */
size_t pml_ws_frame_write_head(uint8_t out[10], uint8_t op, int fin, uint64_t n);
/* A whole control frame: n is at most 125. Returns owned. */
pml_buf *pml_ws_frame_control(uint8_t op, const void *payload, size_t n);
/* A close frame with a code and a reason (cut to 123 bytes). Returns owned. */
pml_buf *pml_ws_frame_close(uint16_t code, const char *reason);

#endif
