/* member_private: a server's thread as the files of this folder know it. The main thread makes and
 * frees it; between the two only messages pass. */
#ifndef PML_HOST_MEMBER_PRIVATE_H
#define PML_HOST_MEMBER_PRIVATE_H

#include "base/log.h"
#include "host/handed.h"
#include "host/member.h"
#include "host/web_calls.h"
#include "loop/mailbox.h"
#include "store/sqlite.h"

#include <pthread.h>

/* What all servers of a program have from it. Borrowed by each; it outlives their threads. */
typedef struct {
  pml_mailbox *main; /* where members report */
  pml_hub *hub;
  pml_dictionaries *dictionaries;
  pml_sqlite_files *sqlite; /* files that their stores share */
  pml_tls_tickets *tickets; /* TLS clients of one frontend are known to the others */
  pml_slot_floor *floor;    /* of the ids of all servers' tables */
  pml_client_memory *client_memory;
  pml__handed *handed;  /* sockets of the service manager; NULL: none */
  pml_web_calls *calls; /* HTTP requests for servers; NULL: the program has no routes */
  pml_level level;
  int json;
  int wishes;             /* 1: the program takes what servers ask it for */
  pml_output *output;     /* of their logs; NULL: lines are written at once */
  const pml_log_way *way; /* of their logs until their scripts choose; or NULL */
  int (*load)(pml_node *n, pml_member *m, const char *boot, void **state, char **err, void *ud);
  void (*unload)(void *state, void *ud);
  void (*on_log)(const char *server, pml_level level, const char *text, void *ud); /* or NULL */
  void *ud;
} pml__member_host;

struct pml_member {
  const pml__member_host *host; /* borrowed */
  pml_member_spec spec;         /* strings owned */
  pthread_t thread;
  pml_mailbox *box; /* set before the thread runs */
  /* of the server's thread alone */
  pml_loop *loop;
  pml_mailbox *web; /* of HTTP requests; NULL: it has told no routes */
  pml_node *node;
  pml_stage stage;
  pml_task start;
  pml_timer poll; /* looks whether requests are still open */
  uint64_t poll_end;
  pml_id phase; /* number of the phase that is not done, 0: none */
  pml_id flushing, moving, parting;
  int ending;
};

/* Starts the thread of m, which is all zero. Copies spec. 0, or PML_EIO: there is no thread. */
int pml__member_start(pml_member *m, const pml__member_host *host, const pml_member_spec *spec);
/* Frees what m owns. Its thread has ended and is joined, or it never started. */
void pml__member_clear(pml_member *m);

#endif
