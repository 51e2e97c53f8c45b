/* package: Pomelo's package layer (protocol 1).
 *
 *   [type u8][length u24 big-endian][body]
 *
 * The parser is fed bytes split anywhere and reports whole packages. A body
 * that lies whole in the fed bytes is reported in place; only a cut one is
 * copied, into a block that grows with what arrives, not with what was
 * announced. A length above the limit is refused as soon as its header is read. */
#ifndef PML_WIRE_PACKAGE_H
#define PML_WIRE_PACKAGE_H

#include "base/buf.h"

enum {
  PML_PKG_HANDSHAKE = 1,
  PML_PKG_ACK = 2,
  PML_PKG_HEARTBEAT = 3,
  PML_PKG_DATA = 4,
  PML_PKG_KICK = 5
};

#define PML_PKG_HEAD 4u
#define PML_PKG_MAX 0xFFFFFFu

/* body is borrowed. PML_EAGAIN: this package was taken, and no other is taken now. Any other value
 * than these two stops the feed for good, which returns it. */
typedef int (*pml_package_on_fn)(uint8_t type, pml_slice body, void *ud);

/* Zeroed is a valid empty parser; 24 bytes when idle. */
typedef struct {
  uint8_t *part;                     /* private: the cut package's body so far, owned */
  uint32_t have, cap;                /* private */
  uint8_t head[PML_PKG_HEAD], nhead; /* private */
  uint16_t whole;                    /* private: packages that came whole, counted round */
} pml_package_parser;

/* 0; how many bytes at the end were not taken, because on_package wants no more now: they are to be
 * fed again before all others; or PML_EPROTO (type outside 1..5), PML_ETOOBIG (body above limit),
 * or what on_package returned. *limit is read anew for each package, so on_package may change it.
 * After an error the parser must not be fed again. */
int pml_package_feed(pml_package_parser *p, const uint8_t *bytes, size_t n, const uint32_t *limit,
                     pml_package_on_fn on_package, void *ud);
/* Whether a package is cut in the middle right now. */
int pml_package_partial(const pml_package_parser *p);
/* 0 when none is; else a number that is another one for the next cut package, as long as fewer than
 * 65,536 of them end between two calls. */
uint32_t pml_package_number(const pml_package_parser *p);
/* Bytes that the parser has allocated. */
static inline uint32_t pml_package_held(const pml_package_parser *p) { return p->cap; }
void pml_package_fini(pml_package_parser *p);

/* Writes the 4 byte header; n is at most PML_PKG_MAX. */
void pml_package_write_head(uint8_t out[PML_PKG_HEAD], uint8_t type, size_t n);

#endif
