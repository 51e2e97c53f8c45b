/* requests: the client requests that a handler of this server is to answer. Each is answered once:
 * by pml_requests_answer, or with {"code":500} at its deadline. */
#ifndef PML_NODE_REQUESTS_H
#define PML_NODE_REQUESTS_H

#include "base/pool.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to requests.c. */
typedef struct {
  pml_slots *open;
  pml_pool pool;
  uint64_t answers, late_answers, timeouts;
} pml_requests;

/* The message id that the response must carry; 0: the request was answered, or there was none. */
uint32_t pml_requests_msg_id(const pml_node *n, pml_id request);
/* Milliseconds until its deadline; -1: it was answered, or there was none. */
int64_t pml_requests_left(const pml_node *n, pml_id request);
/* Its route, borrowed until it is answered; p NULL as above. */
pml_slice pml_requests_route(const pml_node *n, pml_id request);
/* Sends a finished RESPONSE frame. Shares it. PML_ECLOSED: answered already. */
int pml_requests_answer(pml_node *n, pml_id request, pml_buf *frame);
/* Answers {"code":500}, when nobody has answered yet. */
void pml_requests_fail(pml_node *n, pml_id request);
/* Calls fn with each request that scripts of another generation than the present one got. */
typedef void (*pml_requests_on_older_fn)(pml_id id, uint32_t generation, void *ud);
void pml_requests_older(pml_node *n, pml_requests_on_older_fn fn, void *ud);
/* Calls fn with the route of each open request. */
void pml_requests_each(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);
/* Answers each open request with {"code":500}, after a call of fn with its route. */
void pml_requests_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);

/* For the files of this folder. */
extern const pml_counter pml__requests_counters[];
void pml__requests_init(pml_node *n);
/* Forgets all requests, and frees what they used. */
void pml__requests_clear(pml_node *n);
/* Opens a request of a client of this server. Returns its id; 0: there are too many. */
pml_id pml__requests_local(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route);
/* The deadline of an open request is ms from now. */
void pml__requests_extend(pml_node *n, pml_id id, uint32_t ms);
/* Opens a request that server env->from has forwarded. Returns its id; 0: there are too many. */
pml_id pml__requests_remote(pml_node *n, const pml_envelope *env);
/* Forgets the requests that a server has forwarded: that server is gone. */
void pml__requests_gone(pml_node *n, const char *server);
/* Answers {"code":500} to a client's message that no handler gets; nothing to a notify. */
void pml__requests_refuse(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route);
/* The same with a code that says why: 429, it sends too much. */
void pml__requests_refuse_as(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route,
                             int code);
size_t pml__requests_count(const pml_node *n);

#endif
