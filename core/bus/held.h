/* held: records from a server of another process, in their order, with the lists of uids that stand
 * in them as numbers (bus/lists). A record whose list is not here waits, and all that follow from
 * its sender to its receiver wait behind it, until the list that was asked for has come. When it
 * does not come, because the sender has forgotten it or after a second, the record is lost. All
 * that waits holds at most 64 MB. Times are the caller's, in milliseconds. */
#ifndef PML_BUS_HELD_H
#define PML_BUS_HELD_H

#include "base/list.h"
#include "bus/lists.h"

typedef struct pml__held pml__held;

/* What comes from one server to another. Private to held.c. */
typedef struct {
  pml_list node;    /* of those that wait */
  pml_list records; /* that wait */
  uint64_t source;  /* for bus/lists: numbers are those of this pair */
  uint64_t lacks, until;
  void *ud;
} pml__held_pair;

/* All borrowed until the call returns. */
typedef struct {
  int flags; /* the caller's */
  pml_slice head;
  pml_buf *body;   /* or NULL */
  pml_slice extra; /* of no bytes: none */
  int is_form;     /* extra stands for a list (wire/bus_list) */
} pml__arrival;

typedef struct {
  /* The next record of a pair; list (or NULL) is what extra is, or stands for. */
  void (*deliver)(void *pair, const pml__arrival *a, pml_buf *list, void *ud);
  /* The sender of the pair is to be asked for a list. */
  void (*ask)(void *pair, uint64_t number, void *ud);
  /* A record is lost for want of its list; or, when it had waited, it stands for none. */
  void (*lost)(void *pair, void *ud);
  void *ud;
} pml__held_hooks;

/* Returns owned. max: bytes of lists. hooks are copied; they may not call back. */
pml__held *pml__held_new(size_t max, const pml__held_hooks *hooks);
void pml__held_free(pml__held *h); /* takes h; every pair has been left */

void pml__held_enter(pml__held *h, pml__held_pair *p, void *ud);
/* The pair ends: what waits, and its lists, are forgotten. */
void pml__held_leave(pml__held *h, pml__held_pair *p);
/* The next record of p. 0, or PML_EPROTO: its extra stands for no list, and it is dropped. */
int pml__held_take(pml__held *h, pml__held_pair *p, const pml__arrival *a, uint64_t now);
/* The answer to an ask; NULL: the sender has forgotten the list. */
void pml__held_given(pml__held *h, pml__held_pair *p, uint64_t number, pml_buf *list, uint64_t now);
/* To be called now and then: gives up what has waited for a second. */
void pml__held_tick(pml__held *h, uint64_t now);
const pml_lists_counts *pml__held_counters(const pml__held *h);

#endif
