/* web_calls: HTTP requests that a server of this program answers: from a page server's thread to
 * the server's mailbox, and the answers back. No thread waits for another one.
 *
 *   begin → (its connection is suspended) → post → answered once: by the server, or with 503 when
 *   the server stops or ends, or with 504 at its deadline → wake → take → forget
 *
 * One server at a time takes the requests, with its routes. When it leaves, its routes stay, so
 * that their paths are answered with 503 until its successor is there.
 *
 * May be called from any thread; it has a lock, under which it calls nobody. */
#ifndef PML_HOST_WEB_CALLS_H
#define PML_HOST_WEB_CALLS_H

#include "base/slot.h"
#include "loop/mailbox.h"
#include "wire/http_routes.h"

typedef struct pml_web_calls pml_web_calls;

/* Numbers that are 0 get the default. */
typedef struct {
  uint32_t timeout_ms; /* from the end of a request to its answer; 10 s */
  uint32_t waiting;    /* requests that the server has not answered; 256 */
  uint32_t body;       /* bytes of a request's body; 64 KiB */
  uint32_t answer;     /* bytes of an answer's body; 1 MiB */
} pml_web_call_limits;

typedef struct {
  pml_slice name, value;
} pml_web_pair;

/* A request as its server gets it: one block, owned by whoever has it, freed by pml_free. */
typedef struct {
  pml_mail mail; /* private */
  pml_id id;
  uint64_t due;              /* by base/clock: when it is answered with 504 */
  pml_slice method, pattern; /* of its route */
  pml_slice asked;           /* the client's own method: HEAD may be answered by GET */
  pml_slice path, query;     /* still encoded */
  pml_slice address, body;
  pml_web_pair *pairs;    /* the parameters of the path, still encoded, and the headers */
  size_t params, headers; /* how many of each */
} pml_web_call;

/* status 0: there is none. Without a body it is the small page of its status. */
typedef struct {
  unsigned status;
  int whole;       /* it is the game's: head and body say all */
  pml_writer head; /* name NUL value NUL ...; owned */
  void *body;      /* owned; NULL: empty */
  size_t size;
} pml_web_answer;

typedef struct {
  uint64_t waiting, requests, answered, failed, late, busy, down, too_big;
} pml_web_call_counts;

pml_web_calls *pml_web_calls_new(const pml_web_call_limits *limits);
/* Answers all that waits with 503, takes no more, and waits a second at most until the answers are
 * on their way. Before the page servers close. */
void pml_web_calls_end(pml_web_calls *c);
/* After pml_web_calls_end, when the page servers have closed. NULL is allowed. */
void pml_web_calls_free(pml_web_calls *c);
const pml_web_call_limits *pml_web_calls_limits(const pml_web_calls *c);
pml_web_call_counts pml_web_calls_counts(pml_web_calls *c);

/* --- the page server ---------------------------------------------------------------- */

/* Returns owned; NULL: no server has told them yet. */
pml_http_routes *pml_web_calls_routes(pml_web_calls *c);
/* A request is to be posted. 0: no server takes it now (PML_ECLOSED in *why), or too many wait
 * (PML_EFULL). wake comes once, from any thread, after pml_web_calls_post. */
pml_id pml_web_calls_begin(pml_web_calls *c, void (*wake)(void *ud), void *ud, int *why);
/* Posts a copy. Returns when it is due. */
uint64_t pml_web_calls_post(pml_web_calls *c, pml_id id, const pml_web_call *call);
/* After wake: the answer; the caller owns what it points at. */
pml_web_answer pml_web_calls_take(pml_web_calls *c, pml_id id);
/* The request is over. */
void pml_web_calls_forget(pml_web_calls *c, pml_id id);
void pml_web_calls_count_too_big(pml_web_calls *c);
/* Answers what is late with 504. Returns when the next one is, or 0. */
uint64_t pml_web_calls_look(pml_web_calls *c, uint64_t now);

/* --- the server, known by its mailbox --------------------------------------------------- */

/* From now on requests go there, as pml_web_call, which whoever takes the mail frees. Shares both;
 * called again when the routes have changed. PML_ECLOSED: the program ends. */
int pml_web_calls_serve(pml_web_calls *c, pml_mailbox *box, pml_http_routes *routes);
/* It stops: new requests get 503. What it has goes on. */
void pml_web_calls_refuse(pml_web_calls *c, const pml_mailbox *box);
/* What it has not answered gets 503. Returns how many these were. */
size_t pml_web_calls_expire(pml_web_calls *c, const pml_mailbox *box);
/* Both, and the mailbox is forgotten. */
void pml_web_calls_leave(pml_web_calls *c, const pml_mailbox *box);
/* How many it has not answered. */
size_t pml_web_calls_open(pml_web_calls *c, const pml_mailbox *box);
/* Whether a request waits for its answer. */
int pml_web_calls_waits(pml_web_calls *c, pml_id id);
/* Takes what the answer points at. PML_ECLOSED: it has been answered; PML_ETOOBIG: the body is
 * above the limit, the client gets 500. */
int pml_web_calls_answer(pml_web_calls *c, pml_id id, pml_web_answer *a);

void pml_web_answer_add(pml_web_answer *a, pml_slice name, pml_slice value);
void pml_web_answer_clear(pml_web_answer *a);

#endif
