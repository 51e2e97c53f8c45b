/* web_request: the page server's requests for routes of a game: their heads and bodies are
 * gathered, the connection is suspended while a server works on it (host/web_calls), and its answer
 * is sent. What no route takes stays the page server's own.
 *
 * For host/web only; on the page server's thread.
 * RFC 9110: 9.3.7 (OPTIONS), 15.5.6 (405), 15.5.14 (413). */
#ifndef PML_HOST_WEB_REQUEST_H
#define PML_HOST_WEB_REQUEST_H

#include "base/log.h"
#include "host/web_alarm.h"
#include "host/web_answer.h"
#include "host/web_calls.h"

/* Borrowed; calls NULL: the page server has no routes. */
typedef struct {
  pml_web_calls *calls;
  const pml__web_answers *answers;
  const pml_log *log; /* or NULL */
  int pages;          /* whether there are files beside the routes */
} pml__web_routes;

typedef struct pml__web_request pml__web_request;

/* The line of a request is there; copies the URI, with its query. Returns owned. */
pml__web_request *pml__web_request_new(const char *uri);
/* It has ended, one way or another. Takes q; NULL is allowed. */
void pml__web_request_free(const pml__web_routes *w, pml__web_request *q);

/* Whether it is the first time that this is asked. */
int pml__web_request_begins(pml__web_request *q);
/* Its head is there. 0: no route takes it, and the page server does; else *out is the handler's
 * result. */
int pml__web_request_head(const pml__web_routes *w, pml__web_request *q, struct MHD_Connection *c,
                          const char *method, enum MHD_Result *out);
/* Whether a route takes it: what follows goes to pml__web_request_more. */
int pml__web_request_is_taken(const pml__web_request *q);
/* A piece of its body, its end, or its answer. *due: when it is answered at the latest, once it
 * waits for that; until then untouched. *answered: set when the answer is on its way. */
enum MHD_Result pml__web_request_more(const pml__web_routes *w, pml__web_request *q,
                                      const char *upload, size_t *size, uint64_t *due,
                                      int *answered);

#endif
