/* program_private: a program as its main thread knows it, for program and steps only. */
#ifndef PML_HOST_PROGRAM_PRIVATE_H
#define PML_HOST_PROGRAM_PRIVATE_H

#include "host/control.h"
#include "host/ladder.h"
#include "host/notices.h"
#include "host/process.h"
#include "host/program.h"
#include "host/questions.h"
#include "host/servers.h"
#include "host/web.h"

struct pml_program {
  const pml_program_options *o;
  pml__servers servers;
  pml__member_host host; /* what the servers have from here */
  pml_loop *loop;
  pml_mailbox *box;
  pml_slot_floor floor; /* of the ids of all servers' tables */
  pml_log log;
  pml_timer deadline, wake;
  pml__signals signals;
  pml_web *web;
  pml_control *control;
  pml__questions questions;
  pml__notices notices; /* of servers that start together, until they have loaded */
  pml__ladder *ladder;  /* of all servers, once the program stops */
  pml__server *alone;   /* the one server that is on a ladder */
  pml_id phases;        /* the last number of a phase that was given */
  int up, stopping, ending, status, failed;
};

#endif
