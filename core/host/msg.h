/* msg: the messages between the main thread of a program and the threads of its servers.
 * Private to this folder. A message is owned by the thread that takes it from its mailbox, which
 * frees it by pml_free. */
#ifndef PML_HOST_MSG_H
#define PML_HOST_MSG_H

#include "base/slot.h"
#include "loop/mailbox.h"

#include <stdint.h>

#define PML__MSGS_PER_TURN 256
#define PML__MSG_LIMIT (16u << 20) /* bytes that wait in one mailbox */

typedef enum {
  /* from a server to the main thread */
  PML__MSG_LOADED,    /* a: stopTimeout, b: stopGrace, c: stuck, id: drainTime */
  PML__MSG_INFO,      /* text: what other processes hear of it, JSON */
  PML__MSG_JOINED,    /* the bus; a: its incarnation */
  PML__MSG_LISTENING, /* text: its lines for standard output */
  PML__MSG_FAILED,    /* text: the reason; a: the exit status for it, 0: 1 */
  PML__MSG_NOTICE,    /* text: warnings, one a line */
  PML__MSG_DONE,      /* a phase; id: its number, a: what is open, b: what has begun so far */
  PML__MSG_PATIENT,   /* beforeShutdown takes its time */
  PML__MSG_SHUTDOWN,  /* a: exit status */
  PML__MSG_ANSWER,    /* id: of the question */
  PML__MSG_WISH,      /* id: the server's own number, text: what it asks its program for */
  PML__MSG_PULSED,    /* a sign of life; a: its clients */
  PML__MSG_ENDED,     /* the thread is about to end */
  /* by the main thread itself: no server of another process has its id */
  PML__MSG_CLAIMED,
  PML__MSG_TO_MAIN, /* the number of kinds so far */
  /* from the main thread to a server */
  PML__MSG_JOIN,
  PML__MSG_START,
  PML__MSG_ALL_UP,
  PML__MSG_QUESTION, /* id, text: of the operator */
  PML__MSG_PULSE,    /* asks for a sign of life */
  PML__MSG_PHASE,    /* id: its number, a: which, b: milliseconds, text: see the phases */
  PML__MSG_END
} pml__msg_kind;

/* The steps of a stop that the main thread asks servers for, in this order. COUNT and FLUSH are
 * asked for again and again; while one server stops they are asked of the others as well, text: its
 * id. */
typedef enum {
  PML__PHASE_DRAINING, /* the event drain */
  PML__PHASE_LEAVING,  /* until the other servers know that this one stops, within b milliseconds;
                          text:  those that stop with it, a line each */
  PML__PHASE_MOVING,   /* clients are told to connect to other servers, within b milliseconds */
  PML__PHASE_CLOSING,  /* no new clients, no new messages of clients */
  PML__PHASE_GRACE,    /* until no request of a client is open */
  PML__PHASE_EXPIRE,   /* the requests that are still open are answered with 500 */
  PML__PHASE_TELLING,  /* the event stop_server */
  PML__PHASE_FLUSH,    /* until all records to other servers have arrived there */
  PML__PHASE_PARTING,  /* connections end */
  PML__PHASE_COUNT,    /* how much is open, and how much has begun so far */
  PML__PHASE_SHUTDOWN  /* beforeShutdown */
} pml__phase;

struct pml_member;

typedef struct {
  pml_mail mail;
  pml__msg_kind kind;
  struct pml_member *from; /* NULL: from outside, or from the main thread */
  pml_id id;
  uint64_t a, b, c;
  char text[];
} pml__msg;

/* Copies and posts a message. It is lost when the receiver has ended. */
void pml__msg_post(pml_mailbox *box, const pml__msg *msg, const char *text);
/* For pml_mailbox_close: frees a message that nobody takes any more. */
void pml__msg_drop(pml_mail *mail, void *ud);

#endif
