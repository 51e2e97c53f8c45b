/* bus_private: what the two halves of a bus share: bus (the thread of the program's loop) and
 * bus_thread (the thread that speaks to the broker), and the messages between them. */
#ifndef PML_BUS_BUS_PRIVATE_H
#define PML_BUS_BUS_PRIVATE_H

#include "bus/bus.h"
#include "loop/mailbox.h"

#include <stdatomic.h>

#define PML__PROCESS_TEXT 33 /* room for the name of a process, with its NUL */

typedef enum {
  /* The program asks the bus's thread. */
  PML__BUS_CLAIM,   /* text: id */
  PML__BUS_SERVE,   /* text: id, number: incarnation, body: info with its NUL */
  PML__BUS_LEAVING, /* text: id */
  PML__BUS_LEAVE,   /* text: id */
  PML__BUS_ASK,     /* text: process or "", number: question, body */
  PML__BUS_ANSWER,  /* text: process, number: question, flag: last, body */
  PML__BUS_CLOSE,   /* number: milliseconds */
  /* The library's threads tell the bus's thread. */
  PML__BUS_LINK,    /* flag: pml__link_event, text: what the broker said, number: life */
  PML__BUS_CONTROL, /* body: a message for discovery; flag: a thread waits until it is taken in */
  PML__BUS_NOBODY,  /* text: process, or "id." and an id */
  PML__BUS_MAIL,    /* flag: it is an answer; body: wire of a question or an answer */
  PML__BUS_TICK,
  /* The bus's thread tells the program. */
  PML__BUS_STATE,      /* flag: it is up; text */
  PML__BUS_SERVER,     /* server, flag: pml_bus_state */
  PML__BUS_PROCESS,    /* text, flag: 1 it can be asked, 0 it cannot */
  PML__BUS_CLAIMED,    /* text: id, server: the holder or NULL, number: above */
  PML__BUS_SUPERSEDED, /* text: id, server */
  PML__BUS_REFUSED,    /* text */
  PML__BUS_ASKED,      /* number: question, text: process, flag: 1 it was sent, 0 all are sent */
  PML__BUS_QUESTION,   /* text: process, number: question, body */
  PML__BUS_ANSWERED    /* text: process, number: question, flag: last, body */
} pml__bus_kind;

typedef struct {
  pml_mail mail;
  pml__bus_kind kind;
  int flag;
  uint64_t number;
  pml_bus_server *server; /* owned, with its texts; or NULL */
  pml_buf *body;          /* owned, or NULL */
  char text[];
} pml__bus_msg;

pml__bus_msg *pml__bus_msg_new(pml__bus_kind kind, const char *text); /* returns owned */
void pml__bus_msg_free(pml__bus_msg *m);                              /* takes m */
/* Takes m. Mail to a mailbox that is closed is dropped. */
void pml__bus_msg_post(pml_mailbox *box, pml__bus_msg *m);
/* For pml_mailbox_close. */
void pml__bus_msg_drop(pml_mail *mail, void *ud);
/* Returns owned: a copy of s in one block, for pml_free. */
pml_bus_server *pml__bus_server_copy(const pml_bus_server *s);

/* Counted by both halves and the library's thread. */
typedef struct {
  atomic_uint_fast64_t sent, received, bytes_sent, bytes_received, messages_sent, messages_received,
    gaps, strangers, full, unsent, lost_links, lists_whole, lists_changed, lists_same, lists_missed,
    lists_forgotten;
} pml__bus_counters;

static inline void pml__count(atomic_uint_fast64_t *c, uint64_t n) {
  atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

typedef struct pml__bus_thread pml__bus_thread;

typedef struct {
  const pml_bus_options *o;
  const char *process;
  pml_hub *hub;
  pml_mailbox *events; /* of the program's loop */
} pml__bus_thread_options;

/* Starts the thread. Everything is copied or held. NULL with one sentence in
 * err. */
pml__bus_thread *pml__bus_thread_start(const pml__bus_thread_options *o, char *err, size_t nerr);
pml_mailbox *pml__bus_thread_box(pml__bus_thread *t); /* borrowed: for what the program asks */
/* Borrowed; the library may count on after the end, so they are not the caller's. */
pml__bus_counters *pml__bus_thread_counts(pml__bus_thread *t);
/* Takes t: goodbye, flush, the end of the thread. */
void pml__bus_thread_stop(pml__bus_thread *t, uint32_t ms);

#endif
