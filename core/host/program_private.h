/* program_private: a program as its main thread knows it, for program and steps only. */
#ifndef PML_HOST_PROGRAM_PRIVATE_H
#define PML_HOST_PROGRAM_PRIVATE_H

#include "host/uplink.h"
#include "host/control.h"
#include "host/ladder.h"
#include "host/notices.h"
#include "host/process.h"
#include "host/program.h"
#include "host/questions.h"
#include "host/servers.h"
#include "host/service.h"
#include "host/web.h"

struct pml_program {
  const pml_program_options *o;
  pml__servers servers;
  pml__member_host host; /* what the servers have from here */
  pml_loop *loop;
  pml_mailbox *box;
  pml_slot_floor floor; /* of the ids of all servers' tables */
  pml_client_memory client_memory;
  pml_log log;
  pml_timer deadline, wake;
  pml__signals signals;
  pml__service service;
  pml_web *web;
  pml_web *http;            /* the page server of routes, when these have a port of their own */
  pml_web_calls *web_calls; /* NULL: there are no routes */
  pml_control *control;
  pml__uplink *uplink; /* NULL: there are no other processes */
  pml__questions questions;
  pml_list calls;       /* of the operator's to other programs on it (program_bus) */
  pml__notices notices; /* of servers that start together, until they have loaded */
  pml__ladder *ladder;  /* of all servers, once the program stops */
  pml__server *alone;   /* the one server that is on a ladder */
  pml_id phases;        /* the last number of a phase that was given */
  int up, stopping, ending, status, failed;
  int failed_with; /* the exit status for it; 0: 1 */
  int at_once;     /* a stop of all servers tells all clients at the same time: a person, or a spec,
                      waits */
  int all_up;      /* all servers of the app have been up once */
};

#endif
