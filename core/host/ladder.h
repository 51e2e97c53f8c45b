/* ladder: a stop in order, step by step, of all servers or of one. The main thread drives it.
 *
 *   the event drain → other servers send it nothing new → no new clients, and those that are there
 *   are told to connect elsewhere, one after the other
 *   → no new messages of clients → open requests are answered, within the grace
 *   → the event stop_server → connections end → what clients, calls and ended sessions began
 *   ends, on every server → beforeShutdown → what that began ends
 *
 * Each step is one message to each server, has its deadline, and ends when all have answered. A
 * server that does not answer is named, and the stop goes on without it. Work that had to be cut
 * is named as well, and then the exit status is not 0.
 *
 * All is quiet when nothing is open on any server, every record that was on its way has
 * arrived (each server has had an answer from each other), and then nothing is open still and
 * nothing has begun meanwhile. One look is not enough, because a record
 * may be on its way to a server that looks idle. */
#ifndef PML_HOST_LADDER_H
#define PML_HOST_LADDER_H

#include "base/log.h"
#include "host/servers.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pml__ladder pml__ladder;

typedef struct {
  pml_loop *loop;
  pml_log *log;                /* borrowed */
  const pml__servers *servers; /* borrowed: of the program, with those that start later */
  pml_id *numbers;             /* borrowed: the last number of a phase that was given */
  /* At the end, once: cut is what had to be cut, or NULL. The ladder is its owner's to free. */
  void (*ended)(pml__ladder *l, const char *cut, void *ud);
  void *ud;
} pml__ladder_options;

/* Milliseconds: for the whole, and of these for open requests, and for telling the clients. */
typedef struct {
  uint32_t stop, grace, drain;
} pml__ladder_times;

/* Begins. only NULL: all servers. Returns owned. */
pml__ladder *pml__ladder_begin(const pml__ladder_options *o, pml__server *only,
                               const pml__ladder_times *t);
void pml__ladder_free(pml__ladder *l); /* NULL is allowed; ended is not called then */
/* A server reports that a phase is done; a late report, on another phase, does nothing. */
void pml__ladder_done(pml__ladder *l, pml__server *m, pml_id number, uint64_t open, uint64_t began,
                      const char *text);
/* Its scripts take their own time for beforeShutdown. */
void pml__ladder_patient(pml__ladder *l, pml__server *m);
/* Its thread has ended: the ladder does not wait for it. */
void pml__ladder_gone(pml__ladder *l, pml__server *m);

#endif
