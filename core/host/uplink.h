/* uplink: a program's place among the other processes of its app, on the bus (bus/bus). It claims
 * the ids of the program's servers before they join the hub, announces them after, and says in the
 * log whether the bus is there. A program without a bus has none: NULL does nothing. Private to
 * this folder, and to the main thread. */
#ifndef PML_HOST_UPLINK_H
#define PML_HOST_UPLINK_H

#include "bus/bus.h"

typedef struct pml__uplink pml__uplink;

/* Each comes on a turn of the loop, never from inside a function here. Texts are borrowed. */
typedef struct {
  /* The bus is there, or is not; the log has said so. */
  void (*on_link)(int up, void *ud);
  /* Nobody who lives has the id; above: the highest incarnation that it had. */
  void (*on_free)(const char *id, uint64_t above, void *ud);
  /* A server of another process has it; text says which. */
  void (*on_taken)(const char *id, const char *text, void *ud);
  void (*on_server)(const pml_bus_server *s, pml_bus_state state, void *ud);
  /* A server of this program has to end: another life has its id. */
  void (*on_superseded)(const char *id, const pml_bus_server *by, void *ud);
  /* The program has to end: the cluster refuses it. */
  void (*on_refused)(const char *text, void *ud);
  void (*on_question)(pml_id question, const char *process, pml_slice text, void *ud);
  void *ud;
} pml__uplink_events;

/* 0, with the uplink (owned) in *out. PML_EINVAL with one sentence in err: as pml_bus_open. Copies
 * ev; borrows log. o->host NULL: the system's name of this machine. */
int pml__uplink_open(pml_loop *l, pml_hub *hub, const pml_bus_options *o, const pml_log *log,
                     const pml__uplink_events *ev, pml__uplink **out, char *err, size_t nerr);
/* Says goodbye. No event comes from here on. */
void pml__uplink_close(pml__uplink *c);

/* on_free or on_taken comes, also while the bus is not there: the first claims wait a moment for
 * it. */
void pml__uplink_claim(pml__uplink *c, const char *id);
/* The server has joined the hub. Again when info, a JSON object (bus/bus), has changed. */
void pml__uplink_serve(pml__uplink *c, const char *id, uint64_t incarnation, const char *info);
void pml__uplink_leaving(pml__uplink *c, const char *id);
void pml__uplink_leave(pml__uplink *c, const char *id);

/* The bus itself; NULL without one. Borrowed. */
pml_bus *pml__uplink_bus(pml__uplink *c);

#endif
