/* member: one server of a program: its thread, and the words between that and main's. What
 * the files program, member and ladder know of each other; included by no other folder. */
#ifndef PML_HOST_MEMBER_PRIVATE_H
#define PML_HOST_MEMBER_PRIVATE_H

#include "base/list.h"
#include "loop/mailbox.h"
#include "loop/timer.h"
#include "host/ladder.h"
#include "host/program.h"

#include <pthread.h>

#define PML_MAILS_PER_TURN 256
#define PML_MAIL_LIMIT (16u << 20)

/* What main and the servers' threads tell each other. */
typedef enum {
  PML_LOADED, /* a: stopTimeout, b: stopGrace */
  PML_FAILED,
  PML_JOINED,
  PML_LISTENING,
  PML_DONE,     /* a phase; call: its number, a: what is open, b: what has begun so far */
  PML_PATIENT,  /* beforeShutdown takes its time */
  PML_SHUTDOWN, /* a: status */
  PML_ENDED,
  PML_NOTICE,
  PML_TOLD, /* to main */
  PML_JOIN,
  PML_START,
  PML_ALL_UP,
  PML_PHASE, /* call: its number, a: which, b: milliseconds, text: the server that leaves */
  PML_TELL,
  PML_END /* to a server */
} pml_word;

typedef struct {
  pml_mail mail;
  pml_word what;
  uint64_t a, b;
  pml_id call; /* of a question, of a phase */
  pml_member *member;
  char text[];
} pml_note;

struct pml_member {
  pml_program *program;
  pml_program_server server; /* strings owned */
  pthread_t thread;
  pml_mailbox *box; /* set before the thread runs on */
  /* main's */
  int running;
  int alone; /* started apart from the others */
  int failed, wants_stop;
  char *why; /* owned: why it failed, or what had to be cut; told when its thread is gone */
  int seen[PML_TOLD + 1]; /* which words came */
  uint32_t stop_ms, grace_ms;
  pml_step step;      /* of the ladder that it is on */
  pml_ladder *ladder; /* its own, while it is stopped alone */
  /* the thread's own */
  pml_loop *loop;
  pml_node *node;
  pml_stage stage;
  pml_task start;
  pml_timer poll; /* looks whether requests are open still */
  uint64_t poll_end;
  pml_id phase; /* number of the one that is not done, 0: none */
  pml_id flushing, parting;
  int ending;
};

/* Posts a word; one for which the other side has ended is lost. text is copied. */
void pml_member_tell(pml_mailbox *box, const pml_note *k, const char *text);
/* Makes and starts the thread. 0, or PML_EIO: m->running is 0 then. */
int pml_member_start(pml_program *p, pml_member *m);
/* Frees m, whose thread has ended. */
void pml_member_free(pml_member *m);
void pml_member_drop_note(pml_mail *mail, void *ud);

/* What the program lends them. */
pml_mailbox *pml_program_box(pml_program *p);
pml_hub *pml_program_hub(pml_program *p);
pml_slot_floor *pml_program_floor(pml_program *p);
const pml_program_options *pml_program_settings(const pml_program *p);

#endif
