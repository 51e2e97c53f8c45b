/* http: the driver for HTTP requests to other services, by libcurl's multi interface on the
 * server's loop. A store of this kind takes PML_STORE_REQUEST.
 *
 * params of a call:  TEXT method, TEXT url, TEXT or BYTES body (NULL: none), INT how many redirects
 *                    to follow, INT most bytes of the answer's body (0: 1 MiB), BOOL whether
 *                    private addresses may be reached, then TEXT name and TEXT value of each header
 * values of the answer:  INT status, BYTES body, then TEXT name in lower case and TEXT
 *                    value of each header
 *
 * Codes of the answer beside those of the port: PML_EBOUND: the address is private
 * (store/http_address); PML_ETOOBIG: body or headers; PML_EINVAL: a request that cannot be sent;
 * PML_EIO: no connection, no trust, or an answer that is none or not whole. Messages name scheme,
 * host and port, and never the rest of an URL, in which secrets may stand.
 *
 * What holds for each request: HTTP/1.1, http and https only, TLS 1.2 or newer and always verified,
 * no proxy, cookies, credentials or settings from the environment, no decompression. Redirects are
 * followed only when asked for, each under the same rules; to another host without the headers that
 * may hold secrets, and never from https to http.
 *
 * libcurl looks names up in threads of its own, at most one for each connection that is being made.
 * A look-up whose call has ended is left to end by itself. */
#ifndef PML_STORE_HTTP_H
#define PML_STORE_HTTP_H

#include "base/cidr.h"
#include "store/store.h"

#define PML_HTTP_BODY_MAX ((size_t)1 << 20) /* bytes of a body when the call does not say */
#define PML_HTTP_HEADERS_MAX 128            /* lines of an answer's headers */
#define PML_HTTP_NAME_MAX 256               /* of a header; longer ones of an answer are left out */
#define PML_HTTP_URL_MAX 16384
#define PML_HTTP_REDIRECTS_MAX 5

typedef struct {
  const char *ca_file;   /* PEM: certificates to trust beside the system's; NULL */
  const pml_cidr *allow; /* which private networks every call may reach */
  uint32_t n_allow;
  uint32_t connect_ms; /* a connection is there, with TLS, after at most so long; 2,000 */
  uint32_t per_host;   /* connections; 8 */
  uint32_t total;      /* connections; 64 */
  uint32_t head_max;   /* bytes of an answer's headers; 65,536 */
  uint32_t idle_ms;    /* without a request for so long, all connections are closed; 60,000 */
} pml_http_options;

#define PML_HTTP_OPTIONS ((pml_http_options){NULL, NULL, 0, 2000, 8, 64, 65536, 60000})

/* Borrows l and the options. Returns owned; NULL with one sentence in err: no libcurl, a virtual
 * loop, or a file of certificates that cannot be read. */
pml_store *pml_http_open(pml_loop *l, const pml_http_options *o, const pml_store_limits *limits,
                         char *err, size_t nerr);

#endif
