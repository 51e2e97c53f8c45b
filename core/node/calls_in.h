/* calls_in: records from other servers become script calls; answers go back. */
#ifndef PML_NODE_CALLS_IN_H
#define PML_NODE_CALLS_IN_H

#include "node/requests.h"

/* A record that is not an answer. All borrowed. */
void pml_backend_record(pml_node *n, const pml_envelope *env, pml_buf *body, pml_buf *extra);
/* Remote calls of earlier generations, as pml_requests_older. */
void pml_backend_older(pml_node *n, pml_requests_on_older_fn fn, void *ud);
/* Forgets the remote calls of a server: it is gone. */
void pml_backend_gone(pml_node *n, const char *server);
/* Forgets remote calls that wait for their answer, at the end. */
/* Remote calls that a stop waits for. */
size_t pml_backend_open(pml_node *n);
void pml_backend_clear(pml_node *n);

#endif
