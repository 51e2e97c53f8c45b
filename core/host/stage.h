/* stage: port: what a program asks of one server's scripts while the server starts, runs and
 * stops. script/script_lua is one implementation, core/test/test_program another. Every function
 * may be NULL. All run on the server's thread; slices are borrowed until the call returns. A server
 * reports back by the functions of host/member. */
#ifndef PML_HOST_STAGE_H
#define PML_HOST_STAGE_H

#include "base/buf.h"
#include "base/slot.h"
#include "host/web_calls.h"

/* What the scripts do in a stop. */
typedef enum {
  PML_STOP_DRAINING, /* tell the listeners of drain, before anything is refused */
  PML_STOP_CLOSING,  /* know that it has begun */
  PML_STOP_TELLING,  /* tell the listeners of stop_server */
  PML_STOP_SHUTDOWN  /* beforeShutdown */
} pml_stop_step;

typedef struct {
  void (*start)(void *ud);   /* every server is loaded: pml_member_listening when it is up */
  void (*started)(void *ud); /* every server is up */
  /* A step of a stop; pml_member_stopped with the number when it has been taken. */
  void (*stop)(void *ud, pml_stop_step step, pml_id number);
  /* How many tasks of clients, calls and ended sessions go on, beside the open requests and
   * calls; appends a line for each. */
  size_t (*pending)(void *ud, pml_writer *names);
  /* The operator's question to this server; answered by pml_member_answer. */
  void (*control)(void *ud, pml_id call, pml_slice text);
  /* An HTTP request for a route that the server has told; answered by pml_member_answer_web. */
  void (*web)(void *ud, const pml_web_call *call);
  void *ud;
} pml_stage;

#endif
