/* moves: the clients of a server that stops are told to connect to another one, one after the other
 * over a time. A client is told when nothing that it has asked is open: what is asked is answered
 * first. From its turn on nothing that it sends is taken. So a request that was sent and not
 * answered when the connection ends was not run, and may be sent again elsewhere; it is counted.
 * For the files of this folder; pml_node_move is in node/node.h. */
#ifndef PML_NODE_MOVES_H
#define PML_NODE_MOVES_H

#include "loop/loop.h"
#include "loop/timers.h"
#include "node/counter.h"
#include "node/node.h"

/* Private to moves.c. */
typedef struct {
  pml_timer tick;  /* until the next clients are told */
  pml_task settle; /* something of a client was answered, or a session has ended */
  uint64_t began;
  uint32_t ms;         /* within which all are told; */
  size_t total, turns; /* so many, of which so many have had their turn */
  pml_id *waiting;     /* owned: those that have had it and wait for an answer */
  size_t nwaiting, room;
  const char *reason;     /* borrowed: what listeners of the sessions get */
  void (*done)(void *ud); /* NULL: nobody waits for the end */
  void *ud;
  uint64_t moved, behind_requests, behind_notifies;
} pml_moves;

extern const pml_counter pml__moves_counters[];

void pml__moves_init(pml_node *n);
/* Nothing is called back from here on. */
void pml__moves_clear(pml_node *n);
/* A message of a client that has had its turn: it is not taken. */
void pml__moves_count(pml_node *n, int is_request);
/* So many of them came when its connection had ended. */
void pml__moves_behind(pml_node *n, uint32_t requests, uint32_t notifies);
/* A request of a client was answered, or its message has gone to another server. */
void pml__moves_answered(pml_node *n, const pml_session *s);
/* A session has ended. */
void pml__moves_session_ended(pml_node *n);

#endif
