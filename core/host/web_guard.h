/* web_guard: the page server's limits: how many connections there are, of all and of each address,
 * and how long a request and an answer may take.
 *
 * A connection is in one of these phases, each with a deadline:
 *
 *   request (request_ms, TLS handshake and all of the head) → answer → idle (idle_ms) → request …
 *
 * Between request and answer a connection may wait for a server (host/web_calls), which has a
 * deadline of its own.
 *
 * In the phase "answer", and as long as bytes of an answer wait in the system, the client must
 * take least_rate bytes a second, looked at each request_ms. What is late is ended.
 *
 * An address counts as what pml_address_place makes of it. Connections of trusted proxies do not
 * count for an address; each request that comes through one counts as a connection of the address
 * that the proxy names.
 *
 * For host/web only. May be called from any thread; it has a lock. */
#ifndef PML_HOST_WEB_GUARD_H
#define PML_HOST_WEB_GUARD_H

#include "base/log.h"
#include "host/web.h"
#include "host/web_alarm.h"

struct sockaddr;

typedef struct pml__web_guard pml__web_guard;
typedef struct pml__web_conn pml__web_conn;

typedef struct {
  uint64_t open, connections, requests;
  uint64_t refused_full, refused_address, refused_rate;
  uint64_t ended_request, ended_answer, made_room;
} pml__web_counts;

/* log may be NULL; it is borrowed, as o is until this returns. Returns owned. */
pml__web_guard *pml__web_guard_new(const pml_web_options *o, const pml_log *log);
/* No connection is left. NULL is allowed. */
void pml__web_guard_free(pml__web_guard *g);
/* Whom to ask for a call of pml__web_guard_look; borrowed. Set before the first connection. */
void pml__web_guard_set_alarm(pml__web_guard *g, pml__web_alarm *a);
/* The most that libmicrohttpd needs places for. */
uint32_t pml__web_guard_places(const pml__web_guard *g);

/* Whether a new connection may come in; one that waits for its next request may go for it. */
int pml__web_guard_admits(pml__web_guard *g, const struct sockaddr *from);
/* It is there. Borrows fd until pml__web_guard_closed, which takes c. owner: see
 * pml__web_conn_owner. */
pml__web_conn *pml__web_guard_opened(pml__web_guard *g, const struct sockaddr *from, int fd,
                                     void *owner);
void pml__web_guard_closed(pml__web_conn *c);

void pml__web_guard_begins(pml__web_conn *c); /* the line of a request is there */
/* The head of the request is there, as wire/http_head has it; for a connection of a trusted proxy
 * it needs its lines X-Forwarded-For, for others nothing. 0: the address that the proxy names is
 * over its limits. */
int pml__web_guard_asks(pml__web_conn *c, pml_slice head);
void pml__web_guard_waits(pml__web_conn *c);        /* a server works on the request */
void pml__web_guard_answers(pml__web_conn *c);      /* the answer is on its way */
void pml__web_guard_ends(pml__web_conn *c);         /* the request has ended, one way or another */
void *pml__web_conn_owner(const pml__web_conn *c);  /* borrowed */
int pml__web_conn_of_proxy(const pml__web_conn *c); /* whether it comes from a trusted proxy */
/* Whose request it is: the real address. */
void pml__web_conn_print(const pml__web_conn *c, char out[PML_ADDRESS_TEXT]);

/* Ends what is late. Returns when to look again, or 0. */
uint64_t pml__web_guard_look(pml__web_guard *g, uint64_t now);
/* Numbers of connections, which count up: the newest that there was, and the oldest that is open
 * (one more than the newest when there is none). */
uint64_t pml__web_guard_newest(pml__web_guard *g);
uint64_t pml__web_guard_oldest(pml__web_guard *g);
pml__web_counts pml__web_guard_counts(pml__web_guard *g);

#endif
