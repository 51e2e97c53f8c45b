/* utf8: validity (RFC 3629), in pieces or whole; CESU-8, which the old browser
 * clients send for characters outside the BMP (protocol 0.13); and the mending of
 * text that is ill-formed. */
#ifndef PML_WIRE_UTF8_H
#define PML_WIRE_UTF8_H

#include "base/buf.h"

typedef struct {
  uint32_t state; /* private; zeroed is the start */
} pml_utf8;

/* Feeds a piece: 0, or PML_EPROTO at the first byte that cannot be. */
int pml_utf8_feed(pml_utf8 *u, const uint8_t *p, size_t n);
/* Whether a character is cut in the middle. */
int pml_utf8_partial(const pml_utf8 *u);
/* Whether p is whole valid UTF-8. Fast for ASCII. */
int pml_utf8_valid(const uint8_t *p, size_t n);

/* Like pml_utf8_valid, but CESU-8 surrogate pairs (two 3-byte sequences) are
 * accepted too. Returns 0 valid as it is, 1 valid but holds pairs, PML_EPROTO
 * otherwise (a lone surrogate included). */
int pml_cesu8_check(const uint8_t *p, size_t n);
/* Appends p as valid UTF-8, whatever it holds: pairs become 4-byte UTF-8, and U+FFFD stands
 * in the place of what is ill-formed: one for a lone surrogate of three bytes, else one for
 * each start of a character that goes no further, and for each byte that starts none, as
 * browsers and Node.js decode. At most three times n is appended. */
void pml_utf8_mend(pml_writer *w, const uint8_t *p, size_t n);

#endif
