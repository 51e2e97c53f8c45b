/* json_char: characters inside a JSON string, for all places that write JSON: answers and pushes,
 * the reason of a KICK, log lines. The callers write the quotes. */
#ifndef PML_BASE_JSON_CHAR_H
#define PML_BASE_JSON_CHAR_H

#include "base/buf.h"

/* Appends the character at p, of valid UTF-8; returns its length there. A quote, a backslash and
 * control characters are escaped. A character above U+FFFF is written as two \u escapes: old
 * JavaScript clients read no four-byte sequences. */
size_t pml_json_put_char(pml_writer *w, const uint8_t *p);
/* Appends the \u escape of one UTF-16 unit. */
void pml_json_put_unit(pml_writer *w, uint32_t unit);

#endif
