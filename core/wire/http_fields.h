/* http_fields: values of HTTP header fields by which a client asks for a part or a coding of a
 * file.
 *
 * RFC 9110: 14.2 (Range), 12.5.3 (Accept-Encoding). Pure functions over borrowed text;
 * nothing is allocated, and a value that is not understood counts as not sent. */
#ifndef PML_WIRE_HTTP_FIELDS_H
#define PML_WIRE_HTTP_FIELDS_H

#include <stdint.h>

typedef enum {
  PML_RANGE_NONE,   /* no range, or one that is ignored: the whole file is the answer */
  PML_RANGE_PART,   /* one range that lies in the file */
  PML_RANGE_OUTSIDE /* a range that has no byte of the file: status 416 */
} pml_range;

/* Reads "bytes=FIRST-LAST", "bytes=FIRST-" and "bytes=-COUNT" for a file of size bytes. Several
 * ranges count as none, which the RFC allows. *first and *count are set for PML_RANGE_PART only.
 * Borrows value; NULL is no field. */
pml_range pml_http_range(const char *value, uint64_t size, uint64_t *first, uint64_t *count);

/* How much the client wants a content coding: its weight, 0 to 1000 thousandths. 0 when it does not
 * take it. Borrows value, the field's; NULL is no field, and then no coding is wanted. */
int pml_http_accepts(const char *value, const char *coding);

#endif
