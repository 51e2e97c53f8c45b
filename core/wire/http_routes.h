/* http_routes: which of a game's routes an HTTP request asks for. A route is a method and a pattern
 * such as "/players/:id": its segments are texts that the path has, or names for what the path has
 * in their place. A set is immutable and counted: any thread may use it.
 *
 * RFC 9110: 9 (methods), 15.5.6 (405 and Allow). A path is compared segment by segment, each
 * decoded (wire/http_query), so that "%2F" inside a segment stays inside of it. Of two patterns
 * that fit, the one whose text stands further left wins: "/players/top" before "/players/:id". */
#ifndef PML_WIRE_HTTP_ROUTES_H
#define PML_WIRE_HTTP_ROUTES_H

#include "base/buf.h"

#define PML_HTTP_ROUTES_MAX 1024u /* of a set */
#define PML_HTTP_PATTERN_MAX 255u /* bytes of a pattern */
#define PML_HTTP_SEGMENTS_MAX 16u /* of a pattern */
#define PML_HTTP_ALLOW 80         /* room for a list of methods, with its NUL */
#define PML_HTTP_ROUTES_WHY 640

typedef struct pml_http_routes pml_http_routes;

typedef struct {
  pml_slice method; /* "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD" or "OPTIONS" */
  pml_slice pattern;
} pml_http_route;

/* What a path has found. */
typedef struct {
  pml_slice pattern;                      /* lives as long as the set; a NUL follows */
  uint32_t methods;                       /* private */
  uint32_t count;                         /* of the names */
  pml_slice name[PML_HTTP_SEGMENTS_MAX];  /* live as long as the set */
  pml_slice value[PML_HTTP_SEGMENTS_MAX]; /* of the path, still encoded; borrow it */
} pml_http_match;

/* Copies the routes. Returns owned, or NULL: one of them is wrong, or there are too many, and why
 * says which and what. */
pml_http_routes *pml_http_routes_new(const pml_http_route *v, size_t n,
                                     char why[PML_HTTP_ROUTES_WHY]);
pml_http_routes *pml_http_routes_ref(pml_http_routes *r); /* NULL gives NULL */
void pml_http_routes_unref(pml_http_routes *r);           /* NULL is allowed */

/* Finds the pattern of a path, which is still encoded and has no query. 0; PML_ENOENT: no pattern
 * fits; PML_EINVAL: one fits, but the path is not well encoded. */
int pml_http_routes_find(const pml_http_routes *r, pml_slice path, pml_http_match *out);
/* The method of the route that takes such a request: itself, or GET for HEAD. NULL: none does. */
const char *pml_http_match_method(const pml_http_match *m, pml_slice method);
/* The methods that the path takes, as the header Allow lists them. */
void pml_http_match_allow(const pml_http_match *m, char out[PML_HTTP_ALLOW]);

#endif
