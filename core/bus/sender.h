/* sender: messages to the broker, each under its subject and counted; on the bus's thread. While
 * there is no link they are refused: what waits for a link is old when it comes. */
#ifndef PML_BUS_SENDER_H
#define PML_BUS_SENDER_H

#include "bus/bus_private.h"
#include "bus/lists.h"
#include "bus/nats_link.h"
#include "bus/subjects.h"

#define PML__PAYLOAD_LEAST 1024 /* bytes of a message that a broker has to take */

typedef struct {
  pml__link *link;           /* borrowed */
  pml__bus_counters *counts; /* borrowed */
  const pml_log *log;        /* borrowed, or NULL */
  pml__subjects subjects;
  size_t refused;         /* bytes of the largest message that was too large, which was told */
  int up;                 /* the owner's: whether there is a link */
  size_t max_payload;     /* the owner's: bytes of a message */
  pml_lists_counts lists; /* so far */
} pml__sender;

/* Counts what the lists that go out have been since the last time. */
void pml__sender_lists(pml__sender *s, const pml_lists_counts *now);

/* All: 0; PML_ECLOSED: no link; PML_ETOOBIG, PML_EIO. */
int pml__send_all(pml__sender *s, pml_slice message);
/* kind as in bus/subjects. asks: the broker is to say so when nobody is there. */
int pml__send_to(pml__sender *s, const char *process, char kind, int asks, pml_slice message);
/* The broker says so when nobody has the id. */
int pml__send_id(pml__sender *s, const char *id, pml_slice message);
/* A text (wire/bus_mail) in as many pieces as it needs. */
int pml__send_mail(pml__sender *s, const char *process, char kind, uint64_t number, int last,
                   pml_slice text);

#endif
