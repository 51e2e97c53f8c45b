/* web: static files over HTTP or HTTPS (config/web.json), by libmicrohttpd in a
 * thread of its own: GET and HEAD, index.html for folders, MIME types, 304 by Last-Modified
 * and ETag, nothing outside root (no "..", no dot files, no symlink that leads out). GET /health
 * says whether all servers of the program are up. Requests for the routes of a game go to one of
 * its servers (host/web_calls). */
#ifndef PML_HOST_WEB_H
#define PML_HOST_WEB_H

#include "base/cidr.h"
#include "base/log.h"
#include "host/web_calls.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pml_web pml_web;

/* Numbers that are 0 get the default. */
typedef struct {
  uint32_t connections; /* of all clients together; 256 */
  /* Of one address (IPv6: of one /64), which UINT32_MAX takes away; 64 and 100. */
  uint32_t per_address, per_second;
  int loopback;        /* whether addresses of this machine count, too */
  uint32_t request_ms; /* for a request, and for the client to take the least of an answer; 10 s */
  uint32_t idle_ms;    /* between an answer and the line of the next request; 5 s */
  uint32_t least_rate; /* bytes a second of an answer that a client must take; 1024 */
} pml_web_limits;

/* A header of each answer; value NULL: it is left out. */
typedef struct {
  const char *name, *value;
} pml_web_header;

/* app:http: routes of a game. */
typedef struct {
  int on;
  int own_port;     /* they have a port of their own, without pages; else they have the pages' */
  const char *host; /* of that port; NULL: 127.0.0.1 */
  int port;         /* 0: the system picks */
  pml_web_call_limits limits;
} pml_web_http;

/* Borrowed until pml_web_open returns. */
typedef struct {
  const char *host, *root;       /* host NULL: 127.0.0.1; root NULL: there are no pages */
  int port;                      /* 0: the system picks */
  int has_socket, socket;        /* a listening socket in the place of these; copied */
  const char *cert, *key;        /* PEM files, relative paths from the folder base; NULL: HTTP */
  const char *base;              /* NULL: the working directory */
  const pml_web_header *headers; /* in the place of the usual ones of these names, or beside them */
  size_t header_count;
  int no_health; /* /health is a path like others */
  pml_web_limits limits;
  const pml_cidr *proxies; /* whose X-Forwarded-For is believed */
  uint32_t proxy_count;
  pml_web_http http;    /* for whoever opens page servers; pml_web_open does not look at it */
  pml_web_calls *calls; /* where requests for routes go; outlives the page server; NULL: nowhere */
} pml_web_options;

/* Starts serving. Returns 0 or a negative PML_E… with the reason in err. log may be NULL. */
int pml_web_open(const pml_web_options *o, const pml_log *log, pml_web **out, char *err,
                 size_t nerr);
int pml_web_port(const pml_web *w);
int pml_web_is_secure(const pml_web *w); /* whether it speaks HTTPS */
void pml_web_close(pml_web *w);

/* Whether the pair of PEM files can be served; strict: and is valid today. 0; PML_EINVAL: err says
 * which key, which file and why. */
int pml_web_check_pair(const pml_web_options *o, int strict, char *err, size_t nerr);

/* --- from any thread -------------------------------------------------------------- */

typedef enum { PML_WEB_STARTING, PML_WEB_RUNNING, PML_WEB_STOPPING } pml_web_state;

/* What /health answers: 200 when the program runs and all of its servers are up. A server that
 * has opened is starting, without servers. */
void pml_web_set_health(pml_web *w, pml_web_state state, unsigned up, unsigned servers);
/* From now on it also answers whether the bus is there; the status stays, since clients that are
 * here are served without it. */
void pml_web_set_bus(pml_web *w, int up);
/* Reads the certificate again, now. 1: there is a new one; 0: it is the one that is in force;
 * PML_EINVAL with a message: the old one stays in force. */
int pml_web_renew(pml_web *w, char *err, size_t nerr);
/* Calls fn for each counter. */
void pml_web_counts(pml_web *w, void (*fn)(const char *name, uint64_t n, void *ud), void *ud);

#endif
