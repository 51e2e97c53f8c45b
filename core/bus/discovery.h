/* discovery: which servers there are on the bus, and which process has them: greetings, heartbeats,
 * silence, goodbyes, claims of ids. A pure state machine without sockets, threads and clocks: the
 * bus (bus/bus) gives it what comes, with the time, and sends what it says. Its messages are those
 * of wire/announce; docs/cluster.md says in plain words what they mean.
 *
 * For one thread. `now` is milliseconds of a clock that does not jump and never goes back. All
 * events come from inside a function here, and must not call one. Texts are borrowed until the call
 * returns, and copied when they are kept. A process is named by 32 hexadecimal digits.
 *
 * What the bus may rely on:
 *   - The servers of a process are UP here only when that process has met this one, and when this
 *     one's list has been sent to it. So a record that is sent to a process after
 *     pml_discovery_reach comes behind the list in which its sender stands.
 *   - For one id: DOWN of a life comes before UP of another one. An id of this process is not UP
 *     as another process's before pml_discovery_leave.
 *   - An id that is told to be free (on_claimed) is DOWN, and stays so until pml_discovery_leave,
 *     which is called also when its server does not come.
 *   - When a process was gone for another one and comes back, it is gone for both sides first:
 *     each sees DOWN and UP of the other's servers, under their old incarnations, and no record of
 *     the time before comes after that UP. */
#ifndef PML_BUS_DISCOVERY_H
#define PML_BUS_DISCOVERY_H

#include "bus/bus.h"

typedef struct pml_discovery pml_discovery;

typedef enum {
  PML_PROCESS_MET,         /* records may go to it; also when it is heard again after the next */
  PML_PROCESS_UNREACHABLE, /* the broker says that it is not there: calls that wait for it end */
  PML_PROCESS_GONE         /* forget all of it; the DOWN of its servers came before */
} pml_process_state;

typedef struct {
  /* A message for every process on pml.<cluster>.all, this one included; for a process on
   * the subject of its records, in order with them; for whoever holds an id. */
  void (*send_all)(pml_slice message, void *ud);
  void (*send_to)(const char *process, pml_slice message, void *ud);
  void (*send_id)(const char *id, pml_slice message, void *ud);
  /* UP comes again when the info has changed. */
  void (*on_server)(const pml_bus_server *s, pml_bus_state state, void *ud);
  void (*on_process)(const char *process, pml_process_state state, void *ud);
  /* As in bus/bus. */
  void (*on_claimed)(const char *id, const pml_bus_server *holder, uint64_t above, void *ud);
  void (*on_superseded)(const char *id, const pml_bus_server *by, void *ud);
  void (*on_refused)(const char *text, void *ud);
  void *ud;
} pml_discovery_events;

typedef struct {
  const char *process; /* this one's name */
  const char *host;
  uint32_t pid;
  uint32_t heartbeat_ms, timeout_ms; /* at least 2 heartbeats; others may have different ones */
  int tool;                          /* it has no servers, and others do not ask it */
} pml_discovery_options;

/* Returns owned. o and ev are copied. The link is down. */
pml_discovery *pml_discovery_new(const pml_discovery_options *o, const pml_discovery_events *ev);
/* NULL is allowed. Says nothing to anybody: pml_discovery_goodbye does. */
void pml_discovery_free(pml_discovery *d);

/* Inputs of the bus. */
void pml_discovery_link(pml_discovery *d, int up, uint64_t now);
/* A control message, of .all, .id and this process's own subject alike. */
void pml_discovery_message(pml_discovery *d, pml_slice message, uint64_t now);
/* The broker says that nobody takes what was sent to this process; to the holder of this id. */
void pml_discovery_no_process(pml_discovery *d, const char *process, uint64_t now);
void pml_discovery_no_holder(pml_discovery *d, const char *id, uint64_t now);
/* What is due. Call it when the time has come that pml_discovery_due says, and after inputs:
 * changes of the own list are sent here, several in one message. */
void pml_discovery_tick(pml_discovery *d, uint64_t now);
uint64_t pml_discovery_due(const pml_discovery *d); /* UINT64_MAX: nothing is */

/* Inputs of the program: bus/bus says what they mean. */
void pml_discovery_claim(pml_discovery *d, const char *id, uint64_t now);
/* 0; PML_ETOOBIG: the list would not fit into a message of the bus, info is longer than
 * PML_ANNOUNCE_INFO_MAX; PML_EINVAL: info is no JSON object, or the id is none. */
int pml_discovery_serve(pml_discovery *d, const char *id, uint64_t incarnation, const char *info);
void pml_discovery_leaving(pml_discovery *d, const char *id);
void pml_discovery_leave(pml_discovery *d, const char *id);
void pml_discovery_goodbye(pml_discovery *d);

/* Before records are sent to a process: sends it this one's list when it may lack it. 0;
 * PML_ENOENT: it is not known, not reachable, or the link is down. */
int pml_discovery_reach(pml_discovery *d, const char *process);
/* The servers of other processes that are UP; the processes that are met, tools left out. */
void pml_discovery_each(pml_discovery *d, void (*fn)(const pml_bus_server *s, void *ud), void *ud);
void pml_discovery_each_process(pml_discovery *d, void (*fn)(const char *process, void *ud),
                                void *ud);

typedef struct {
  uint64_t strangers; /* messages that are not ours, cannot be read, or are of another protocol */
  uint64_t foreign;   /* those of another protocol */
  uint64_t full;      /* processes that were not taken, because there were too many */
  uint64_t gone;      /* processes that were silent for too long */
} pml_discovery_counts;
const pml_discovery_counts *pml_discovery_counters(const pml_discovery *d);

#endif
