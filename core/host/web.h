/* web: static files over plain HTTP (config/web.json), by libmicrohttpd in a
 * thread of its own: GET and HEAD, index.html for folders, MIME types, 304 by Last-Modified
 * and ETag, nothing outside root (no "..", no dot files, no symlink that leads out). */
#ifndef PML_HOST_WEB_H
#define PML_HOST_WEB_H

#include "base/log.h"

typedef struct pml_web pml_web;

/* Starts serving. host NULL: 127.0.0.1; port 0: the system picks. Returns 0 or a negative PML_E…
 * with the reason in err. */
int pml_web_open(const char *host, int port, const char *root, const pml_log *log, pml_web **out,
                 char *err, size_t nerr);
int pml_web_port(const pml_web *w);
void pml_web_close(pml_web *w);

#endif
