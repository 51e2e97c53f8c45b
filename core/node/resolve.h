/* resolve: remembers the sessions behind a list of uids. A channel's list is one block as long
 * as no member joins or leaves, so a push to it need not look every uid up again: the
 * sessions found for a block are kept until a uid may resolve differently
 * (pml_sessions_epoch). A block that is pushed to once is not remembered. */
#ifndef PML_NODE_RESOLVE_H
#define PML_NODE_RESOLVE_H

#include "model/sessions.h"

typedef struct pml_resolver pml_resolver;

/* The sessions of a block's uids, in its order, and the uids that have none. Borrowed until
 * the next call, or until a session is bound, unbound or closed. */
typedef struct {
  pml_session **v;
  size_t n;
  pml_slice fails; /* base/uid list */
} pml_resolved;

pml_resolver *pml_resolver_new(void); /* returns owned */
void pml_resolver_free(pml_resolver *r);

/* NULL when it has not been worth remembering: look the uids up one by one. Shares the
 * block while it is remembered. */
const pml_resolved *pml_resolver_get(pml_resolver *r, const pml_sessions *t, pml_buf *uids);

#endif
