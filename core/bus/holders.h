/* holders: which process has which id. For each id the highest incarnation has it (of equal ones
 * the greater name of a process); a life that lost an id never gets it back. A higher life takes
 * the id from a lower one that came later only when it is heard after that: it may be dead, and its
 * clock was ahead. Says what that means for the servers of other processes (UP, LEAVING, DOWN) and
 * for those of this one (superseded).
 *
 * Part of bus/discovery: its rules about threads, events and texts hold here as well. */
#ifndef PML_BUS_HOLDERS_H
#define PML_BUS_HOLDERS_H

#include "base/list.h"
#include "bus/bus.h"
#include "wire/announce.h"

#define PML_HOLDERS_MAX 65536u /* ids that are remembered, those that are gone included */

/* Another process, as far as its servers need it. The owner keeps it until pml_holders_drop. */
typedef struct {
  char name[PML_PROCESS_NAME];
  char host[PML_ANNOUNCE_HOST_MAX + 1];
  uint32_t pid;
  pml_list servers; /* private */
} pml_holder;

typedef struct {
  void (*on_server)(const pml_bus_server *s, pml_bus_state state, void *ud);
  void (*on_superseded)(const char *id, const pml_bus_server *by, void *ud);
  /* p still has the id under an incarnation that lost it. */
  void (*on_lost)(const pml_holder *p, const char *id, uint64_t above, void *ud);
  void *ud;
} pml_holders_events;

typedef struct pml_holders pml_holders;

/* Returns owned. self: the name of this process, and ev: copied. */
pml_holders *pml_holders_new(const char *self, const pml_holders_events *ev);
/* No event comes. All processes are dropped or pml_holder_fini'd. NULL is allowed. */
void pml_holders_free(pml_holders *h);

/* Zeroed is not a valid holder: this makes one. */
void pml_holder_init(pml_holder *p, const uint8_t process[PML_PROCESS_BYTES]);
/* Its servers are forgotten without an event. Only before pml_holders_free. */
void pml_holder_fini(pml_holder *p);

/* The servers of p are those of a message that was read. Returns how many were left out, because
 * there are too many ids. */
size_t pml_holders_set(pml_holders *h, pml_holder *p, const pml_announce *list);
/* p has none any more. */
void pml_holders_drop(pml_holders *h, pml_holder *p);

/* p has what was set last, and lives. */
void pml_holders_live(pml_holders *h, const pml_holder *p);

/* on_lost for each id that p has lost: it may not know, when who won was gone before it heard. */
void pml_holders_remind(pml_holders *h, const pml_holder *p);

/* This process has the id; with incarnation 0 it will have it. Until pml_holders_disown it is not
 * UP as another process's. */
/* PML_EFULL: there are too many ids. */
int pml_holders_own(pml_holders *h, pml_slice id, uint64_t incarnation);
void pml_holders_disown(pml_holders *h, pml_slice id);
/* The incarnation of this process's server with the id; 0: there is none, or it is superseded. */
uint64_t pml_holders_owned(const pml_holders *h, pml_slice id);
/* Somebody knows that this process's life of an id has lost it to a higher one: it is superseded,
 * by a server of which no more is known (process and host are ""). */
void pml_holders_above(pml_holders *h, pml_slice id, uint64_t incarnation);
/* The highest incarnation that was ever known of the id; 0: none. */
uint64_t pml_holders_highest(const pml_holders *h, pml_slice id);

void pml_holders_each(pml_holders *h, void (*fn)(const pml_bus_server *s, void *ud), void *ud);

#endif
