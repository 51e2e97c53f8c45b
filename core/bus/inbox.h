/* inbox: records from servers of other processes, on the thread on which the bus's messages come.
 * It reads batches (wire/bus_record), counts by their numbers what is missing, drops what has been
 * there, puts the parts of large records together, has lists of uids for their numbers (bus/held),
 * and hands whole records on. One record of a pair of servers may be incomplete; what all of them
 * hold is bounded. It knows no broker. */
#ifndef PML_BUS_INBOX_H
#define PML_BUS_INBOX_H

#include "bus/lists.h"
#include "bus/transport_local.h"

typedef struct pml__inbox pml__inbox;

typedef struct {
  /* Whether both servers are there, in these lives: what others send is counted and dropped. */
  int (*knows)(const pml_batch_pair *p, void *ud);
  /* A whole record; flags: PML_SEND_... . 0, PML_ENOENT, PML_EFULL. Shares body and extra. */
  int (*deliver)(const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body, pml_buf *extra,
                 void *ud);
  /* Records of a pair are missing before the next that is delivered. */
  void (*gap)(const pml_batch_pair *p, void *ud);
  void *ud;
  /* Sends a record about lists, PML_SEND_ABOUT, from the receiver of the pair back to its sender.
   */
  void (*back)(const pml_batch_pair *p, pml_slice head, void *ud);
  size_t list_bytes; /* of lists that are remembered, see bus/lists */
} pml__inbox_hooks;

typedef struct {
  uint64_t received;  /* records that were delivered */
  uint64_t gaps;      /* records that were sent and never came */
  uint64_t seen;      /* records dropped because their number had been there */
  uint64_t strangers; /* batches that cannot be read; records of pairs that are not known */
  uint64_t full;      /* records dropped: the receiver's queue is full, or too much is incomplete */
} pml__inbox_counts;

/* Returns owned; hooks are copied. incomplete: bytes of all records that lack parts. */
pml__inbox *pml__inbox_new(const pml__inbox_hooks *hooks, size_t incomplete);
void pml__inbox_free(pml__inbox *in); /* takes in */
/* A message of the bus. Borrows it. How many records are missing before those in it, for the log;
 * *pair (may be NULL) is the last pair of which some are. */
uint64_t pml__inbox_take(pml__inbox *in, pml_slice message, char pair[2 * PML_SERVER_ID_MAX + 8]);
/* The time in milliseconds, to be told now and then: gives up records whose list does not come. As
 * pml__inbox_take, of those that were lost so. */
uint64_t pml__inbox_tick(pml__inbox *in, uint64_t now, char pair[2 * PML_SERVER_ID_MAX + 8]);
/* A server has gone, of this process or another: what is kept of its pairs is forgotten. */
void pml__inbox_forget(pml__inbox *in, const char *id, uint64_t incarnation);
const pml__inbox_counts *pml__inbox_counters(const pml__inbox *in);
const pml_lists_counts *pml__inbox_lists(const pml__inbox *in);

#endif
