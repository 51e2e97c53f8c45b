/* servers: the servers of a program as its main thread sees them: which threads run, what each has
 * reported, and its place in a stop. Private to this folder, and to the main thread. */
#ifndef PML_HOST_SERVERS_H
#define PML_HOST_SERVERS_H

#include "host/member_private.h"
#include "host/msg.h"

/* A server's place in a stop: see host/ladder. */
typedef struct {
  int asked, done, patient, named;
  uint64_t open, began, before;
  char *text; /* owned: what is open */
} pml__step;

/* Its signs of life: see host/service. */
typedef struct {
  int asked, stuck;
  uint64_t waited;  /* milliseconds since it was asked */
  uint64_t clients; /* at the last one */
} pml__pulse;

typedef struct {
  pml_member member;
  int running; /* its thread is there */
  int alone;   /* it starts or stops apart from the others */
  int failed, wants_stop;
  char *why;     /* owned: why it failed, or what had to be cut; reported when its thread is gone */
  uint32_t seen; /* the kinds of messages that came from it, a bit each */
  char *info;    /* owned: what other processes hear of it */
  uint64_t incarnation; /* 0: it has not joined the hub */
  uint32_t stop_ms, grace_ms, drain_ms, stuck_s;
  pml__pulse pulse;
  pml__step step;
  struct pml__ladder *ladder; /* owned: its own, while it is stopped alone */
} pml__server;

_Static_assert(PML__MSG_TO_MAIN <= 32, "pml__server.seen has a bit for each kind of message");

typedef struct {
  pml__server **list; /* owned; in the order in which they started */
  size_t count;
} pml__servers;

/* The server that a message came from. */
pml__server *pml__server_of(pml_member *m);
const char *pml__server_id(const pml__server *s);
void pml__server_post(pml__server *s, pml__msg_kind kind);
/* Whether a message of that kind has come from it; and that one has come. */
int pml__server_saw(const pml__server *s, pml__msg_kind kind);
void pml__server_see(pml__server *s, pml__msg_kind kind);

/* The running server of that id, or NULL. */
pml__server *pml__servers_find(const pml__servers *all, const char *id);
/* How many run. */
size_t pml__servers_running(const pml__servers *all);
/* Whether every running server has sent a message of that kind. */
int pml__servers_saw(const pml__servers *all, pml__msg_kind kind);
void pml__servers_post(const pml__servers *all, pml__msg_kind kind);
/* Starts one more server's thread. 0 or PML_EIO. */
int pml__servers_start(pml__servers *all, const pml__member_host *host, const pml_member_spec *spec,
                       int alone);
/* Frees a server, whose thread is joined or never started. */
void pml__servers_forget(pml__servers *all, pml__server *s);
void pml__servers_clear(pml__servers *all);

#endif
