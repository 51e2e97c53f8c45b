/* filtered: clients' messages for other servers, on a frontend whose scripts have global filters.
 * Such a message goes to the scripts as one for this server does (on_message, with a request of
 * node/requests that keeps the client's id), and they send it on from here. The answer of the other
 * server goes to the client untouched; on_returned tells the scripts that it did. Without global
 * filters node/route forwards messages and no script runs. */
#ifndef PML_NODE_FILTERED_H
#define PML_NODE_FILTERED_H

#include "node/node.h"

/* Private to filtered.c. */
typedef struct {
  int on;
} pml_filtered;

/* Whether clients' messages for other servers go to the scripts first. Off at the beginning. */
void pml_filtered_set(pml_node *n, int on);

/* What the scripts send on. */
typedef struct {
  pml_id request;     /* 0: a notify */
  pml_id session;     /* the client's */
  pml_slice route;    /* all borrowed until the call returns */
  pml_slice body;     /* what the handler gets */
  pml_slice settings; /* JSON; of the message's copy of the session; p NULL: the session's own */
  int watched;        /* whether on_returned is wanted; a notify has none */
} pml_filtered_message;

/* Sends a message to server `to`. 0: the client gets the answer, or {"code":500}, and the request
 * has forwardTimeout from now. PML_ECLOSED: the request has been answered, or the client is gone.
 * PML_ENOENT: no such server takes messages. Otherwise (PML_EFULL, …) it was not sent and the
 * request is still open. */
int pml_filtered_send(pml_node *n, const pml_filtered_message *m, const char *to);

/* For the files of this folder. */
int pml__filtered_is_on(const pml_node *n);

#endif
