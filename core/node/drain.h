/* drain: this server takes no new clients, and waits until its sessions have ended. For the files
 * of this folder; pml_node_close and pml_node_drain are in node/node.h. */
#ifndef PML_NODE_DRAIN_H
#define PML_NODE_DRAIN_H

#include "loop/loop.h"
#include "loop/timers.h"
#include "node/node.h"

/* Private to drain.c. */
typedef struct {
  int begun;     /* its connections are being ended */
  size_t kicked; /* sessions out of the tables whose connections have not ended yet */
  pml_timer timer;
  pml_task task;
  void (*done)(void *ud); /* NULL: nothing waits for the end of the last session */
  void *ud;
} pml_drain;

void pml__drain_init(pml_node *n);
/* Nothing is called back from here on. */
void pml__drain_clear(pml_node *n);
/* A session was taken out of the tables before its connection has ended: on; it has now: off. */
void pml__drain_kicked(pml_node *n, int on);
/* A session has ended: perhaps the last one that pml_node_drain waits for. */
void pml__drain_session_ended(pml_node *n);
/* Sessions that still have to end; 0 before pml_node_drain. */
size_t pml__drain_open(const pml_node *n);

#endif
