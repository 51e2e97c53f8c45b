/* requests: the client requests that a handler of this server is to answer: each
 * once, by pml_requests_answer or by {"code":500} at its deadline. */
#ifndef PML_NODE_REQUESTS_H
#define PML_NODE_REQUESTS_H

#include "node/node.h"

void pml_requests_init(pml_node *n);

/* From a client of this server. Returns the request's id, 0 when there are no places. */
pml_id pml_requests_local(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route);
/* Forwarded by server env->from. */
pml_id pml_requests_remote(pml_node *n, const pml_envelope *env);

/* The message id that the response must carry; 0: answered, or never was. */
uint32_t pml_requests_msg_id(const pml_node *n, pml_id request);
/* Sends a finished RESPONSE frame. Shares it. PML_ECLOSED: answered already. */
int pml_requests_answer(pml_node *n, pml_id request, pml_buf *frame);
/* The frame {"code":500} for a message id. Returns owned. */
pml_buf *pml_requests_error_frame(uint32_t msg_id);
/* Those that wait for an answer of scripts of another generation than the present one. */
typedef void (*pml_requests_on_older_fn)(pml_id id, uint32_t generation, void *ud);
void pml_requests_older(pml_node *n, pml_requests_on_older_fn fn, void *ud);
/* Forgets those that a server has forwarded: it is gone. */
void pml_requests_gone(pml_node *n, const char *server);
/* Calls fn with the route of each that waits for an answer; expire gives each its 500 then. */
void pml_requests_each(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);
void pml_requests_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud);
/* Forgets all, at the end; n->requests is its owner's to free. */
void pml_requests_clear(pml_node *n);

#endif
