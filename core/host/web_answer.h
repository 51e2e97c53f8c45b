/* web_answer: what all answers of the page server have in common, their headers; and the answers
 * that are no files: small pages, and that of /health.
 *
 * The usual headers are those that a browser wants from a page that strangers may link to. None of
 * them keeps a page from opening a WebSocket to another port, or from scripts of its own.
 *
 * For host/web only. */
#ifndef PML_HOST_WEB_ANSWER_H
#define PML_HOST_WEB_ANSWER_H

#include "host/web.h"
#include "host/web_calls.h"

#include <microhttpd.h>

/* Immutable. */
typedef struct {
  char *(*list)[2]; /* owned: names and values */
  size_t count;
} pml__web_answers;

/* The usual headers, with those of the options in their place. Copies. secure: over HTTPS. */
void pml__web_answers_init(pml__web_answers *a, const pml_web_options *o, int secure);
void pml__web_answers_clear(pml__web_answers *a);

/* Queues r, which may be NULL, with all of the headers that it does not have already. Takes r. */
enum MHD_Result pml__web_finish(const pml__web_answers *a, struct MHD_Connection *c,
                                unsigned status, struct MHD_Response *r);
/* A page that says 404, 405 or 429. */
enum MHD_Result pml__web_answer_page(const pml__web_answers *a, struct MHD_Connection *c,
                                     unsigned status);
/* The answer of a route that a server does not give: {"code":404}, with status 400, 404, 405, 413,
 * 500, 503 or 504; 204, which has no body. allow: what the header Allow says, or NULL. */
enum MHD_Result pml__web_answer_code(const pml__web_answers *a, struct MHD_Connection *c,
                                     unsigned status, const char *allow);
/* What a game has answered. Takes what the answer points at. */
enum MHD_Result pml__web_answer_call(const pml__web_answers *a, struct MHD_Connection *c,
                                     pml_web_answer *answer);
/* 200 when all servers are up and the program does not stop, else 503. bus: "up", "down", or NULL:
 * the program has none. */
enum MHD_Result pml__web_answer_health(const pml__web_answers *a, struct MHD_Connection *c,
                                       pml_web_state state, unsigned up, unsigned servers,
                                       const char *bus);

#endif
