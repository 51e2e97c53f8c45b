/* json_string: a string of Lua as a JSON string: what is not UTF-8 becomes U+FFFD, characters
 * outside the BMP become \ud83d\ude00 escapes, which old browser clients need. */
#ifndef PML_SCRIPT_JSON_STRING_H
#define PML_SCRIPT_JSON_STRING_H

#include "base/buf.h"

/* Appends the n bytes at s in quotes. Returns NULL, or what is wrong, a constant text: the text
 * is above PML_JSON_MAX then, and what was appended is of no use. */
const char *pml_json_string(pml_writer *w, const char *s, size_t n);

#endif
