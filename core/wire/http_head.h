/* http_head: the headers of an HTTP request head that was found well formed (wire/ws_handshake):
 * lines that end with CR LF, of which the first is the request line. Pure; slices borrow the head.
 */
#ifndef PML_WIRE_HTTP_HEAD_H
#define PML_WIRE_HTTP_HEAD_H

#include "base/cidr.h"

/* The headers of a head: *rest for pml_http_head_next. */
pml_slice pml_http_head_headers(pml_slice head);
/* The next header; value: without the blanks around it. 0: there is none. Lines without a name are
 * left out. */
int pml_http_head_next(pml_slice *rest, pml_slice *name, pml_slice *value);
/* How many headers have that name, in any case; *value is that of the first, untouched with 0. */
uint32_t pml_http_head_find(pml_slice head, const char *name, pml_slice *value);
/* For whom trusted proxies send the request, by X-Forwarded-For: of all its addresses, in all
 * headers of that name, the last that no trusted proxy has; when all are trusted, the first.
 * Whoever is left of it could have written what he likes. 0; PML_ENOENT: no header, or one whose
 * last address is none. *port is 0 when it is not told. */
int pml_http_head_forwarded(pml_slice head, const pml_cidr_list *trusted, pml_address *from,
                            uint16_t *port);

#endif
