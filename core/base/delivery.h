/* delivery: what becomes of a push while its client is behind, which means that its socket has not
 * taken all that was written in earlier turns. It travels with a push from the script that makes it
 * to the queue of each connection. */
#ifndef PML_BASE_DELIVERY_H
#define PML_BASE_DELIVERY_H

#include "base/buf.h"

typedef enum {
  PML_RELIABLE, /* queued; a client for whom too much waits is closed */
  PML_LATEST,   /* queued in place of the push of the same identity that still waits */
  PML_DROP      /* not queued while the client is behind */
} pml_policy;

/* Zeroed: reliable. */
typedef struct {
  uint64_t identity; /* LATEST: of route and key, never 0; otherwise 0 */
  pml_policy policy;
} pml_delivery;

/* What became of a push that may be replaced or dropped. */
typedef enum {
  PML_OFFER_QUEUED,
  PML_OFFER_REPLACED, /* queued, and an earlier one of its identity was taken out unsent */
  PML_OFFER_DROPPED
} pml_offered;

/* The same where there is no connection any more. */
static inline pml_offered pml_offered_nowhere(pml_delivery how) {
  return how.policy == PML_DROP ? PML_OFFER_DROPPED : PML_OFFER_QUEUED;
}

/* LATEST with the identity of this route and key; key NULL: of the route alone. */
pml_delivery pml_delivery_latest(pml_slice route, const pml_slice *key);

#endif
