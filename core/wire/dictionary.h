/* dictionary: Pomelo's route dictionary (protocol 10): routes and the 16 bit codes that stand for
 * them in messages. An object is immutable and counted: servers on several threads share one. */
#ifndef PML_WIRE_DICTIONARY_H
#define PML_WIRE_DICTIONARY_H

#include "base/buf.h"

typedef struct pml_dictionary pml_dictionary;

typedef struct {
  pml_slice route; /* 1..255 bytes of UTF-8 */
  uint16_t code;   /* 1..65535, each once */
} pml_dictionary_pair;

#define PML_DICTIONARY_MAX 65535u
#define PML_DICTIONARY_VERSION 24 /* letters of a version */

/* Returns an owned object through *out; copies the pairs. A route may stand in several pairs: the
 * last one's code stands for it in what is sent, each of its codes is understood. 0; PML_ETOOBIG:
 * more than PML_DICTIONARY_MAX pairs, or a route above 255 bytes; PML_EINVAL: an empty route, one
 * that is no UTF-8, code 0; PML_EEXIST: a code twice. */
int pml_dictionary_new(const pml_dictionary_pair *pairs, size_t n, pml_dictionary **out);
pml_dictionary *pml_dictionary_ref(pml_dictionary *d); /* NULL gives NULL */
void pml_dictionary_unref(pml_dictionary *d);          /* NULL is allowed */

/* 0: the route has none. */
uint16_t pml_dictionary_code(const pml_dictionary *d, pml_slice route);
/* Borrowed from d; p is NULL when no route has the code. */
pml_slice pml_dictionary_route(const pml_dictionary *d, uint16_t code);
size_t pml_dictionary_count(const pml_dictionary *d); /* codes that stand for a route */
/* What Pomelo computes: the MD5, in base64, of the JSON text {"route":code} in the order of the
 * pairs. Borrowed from d. */
const char *pml_dictionary_version(const pml_dictionary *d);
/* Appends the members of a handshake answer's sys that hand d to a client (protocol 3.3):
 * "dict":{},"routeToCode":{},"codeToRoute":{},"dictVersion":"" */
void pml_dictionary_put_fields(const pml_dictionary *d, pml_writer *w);

#endif
