/* ladder: a stop in order, step by step, as main drives it: of all servers, or of one.
 *
 *   no new clients, no new messages of clients → open requests are answered, within the grace
 *   → the event stop_server → connections end → what clients, calls and ended sessions began
 *   ends, on every server → beforeShutdown → what that began ends
 *
 * Each step is one word to each server, has its deadline, and ends when all have answered. A
 * server that does not answer is named, and the stop goes on without waiting for it. What had
 * to be cut is named as well; then the stop was no good one.
 *
 * All is quiet when nothing is open on any server, every record that was on its way has
 * arrived (each server has had an answer from each other), and then nothing is open still and
 * nothing has begun meanwhile. A server that looks idle may have mail. */
#ifndef PML_HOST_LADDER_H
#define PML_HOST_LADDER_H

#include "base/log.h"
#include "base/slot.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pml_ladder pml_ladder;
struct pml_member;

/* What main tells a server, in this order. COUNT and FLUSH come again and again. */
typedef enum {
  PML_PHASE_LEAVING, /* another server goes: nothing more is sent to it that may go elsewhere */
  PML_PHASE_CLOSING, /* no new clients, no new messages of clients */
  PML_PHASE_GRACE,   /* until no client's request is open */
  PML_PHASE_EXPIRE,  /* those that are open get their 500 */
  PML_PHASE_TELLING, /* stop_server */
  PML_PHASE_FLUSH,   /* what is on its way to others has arrived there */
  PML_PHASE_PARTING, /* connections end */
  PML_PHASE_COUNT,   /* what is open, what has begun so far */
  PML_PHASE_SHUTDOWN /* beforeShutdown */
} pml_phase;

/* One server's place on a ladder: main's. */
typedef struct {
  int asked, done, patient, named;
  uint64_t open, began, before;
  char *text; /* owned: what is open */
} pml_step;

typedef struct {
  pml_loop *loop;
  pml_log *log;                                        /* borrowed */
  struct pml_member **(*members)(void *ud, size_t *n); /* of the program, now */
  pml_id (*number)(void *ud);                          /* of a phase: a new one */
  /* At the end, once: cut is what had to be cut, or NULL. The ladder is its owner's to free. */
  void (*ended)(pml_ladder *l, const char *cut, void *ud);
  void *ud;
} pml_ladder_options;

/* Begins. only NULL: all servers. timeout, grace: milliseconds. Returns owned. */
pml_ladder *pml_ladder_begin(const pml_ladder_options *o, struct pml_member *only, uint32_t timeout,
                             uint32_t grace);
void pml_ladder_free(pml_ladder *l); /* NULL is allowed; ended is not called then */
/* A server's word on a phase; a late one, to another phase, is nothing. */
void pml_ladder_done(pml_ladder *l, struct pml_member *m, pml_id number, uint64_t open,
                     uint64_t began, const char *text);
/* Its beforeShutdown may take as long as it takes. */
void pml_ladder_patient(pml_ladder *l, struct pml_member *m);
/* It has ended: nobody waits for it. */
void pml_ladder_gone(pml_ladder *l, struct pml_member *m);

#endif
