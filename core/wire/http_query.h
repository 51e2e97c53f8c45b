/* http_query: percent-encoding, and the names and values of a query or of a form. Pure; slices
 * borrow the text.
 *
 * RFC 3986: 2.1 (percent-encoding). URL standard (WHATWG): 5.1, application/x-www-form-urlencoded
 * parsing, by which "%" without two hexadecimal digits behind it stands for itself. */
#ifndef PML_WIRE_HTTP_QUERY_H
#define PML_WIRE_HTTP_QUERY_H

#include "base/buf.h"

/* The next pair of "a=1&b=2", still encoded; a pair without "=" has an empty value, an empty pair
 * is left out. 0: there is none. */
int pml_http_query_next(pml_slice *rest, pml_slice *name, pml_slice *value);
/* Decodes s to out, which has room for s.n bytes; form: "+" is a blank. Returns how many bytes
 * there are, at most s.n. */
size_t pml_http_decode(pml_slice s, int form, uint8_t *out);
/* Whether every "%" of s has its two digits, and none of them makes a NUL. */
int pml_http_is_encoded(pml_slice s);

#endif
