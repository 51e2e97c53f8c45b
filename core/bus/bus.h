/* bus: this process on the bus of its cluster. It joins the servers of a hub (bus/transport_local)
 * to those of other processes: a record for a server of another process goes over the bus, a record
 * for one of this process never does. The delivery contract is that of bus/transport; what it means
 * when a broker or a network fails is in docs/cluster.md.
 *
 * A bus has a thread of its own, which alone speaks to the broker: no function here waits for it
 * but pml_bus_close. All functions are for the thread of the loop that pml_bus_open is given, and
 * all events come on that thread, never from inside a function here. Texts are borrowed until the
 * call returns, and copied when they are kept. */
#ifndef PML_BUS_BUS_H
#define PML_BUS_BUS_H

#include "base/log.h"
#include "base/slot.h"
#include "bus/transport_local.h"

#define PML_BUS_PROTOCOL 1 /* processes that speak another one are refused */

typedef struct pml_bus pml_bus;

typedef struct {
  const char *const *urls; /* nats://host:port or tls://host:port; the first that answers is used */
  size_t nurls;
  const char *cluster;                      /* subjects begin with pml.<cluster>. */
  const char *host;                         /* the name of this machine, for people */
  const char *user, *password, *creds, *ca; /* NULL: none; creds and ca are paths of files */
  uint32_t heartbeat_ms;                    /* between two heartbeats of a process: 1000 */
  uint32_t timeout_ms;                      /* a process that is silent for so long is gone: 5000 */
  size_t list_bytes;  /* of lists of uids that are remembered, of those sent and of those that came:
                         64 MiB, 0: the same */
  int tool;           /* 1: it has no servers and announces nothing; it only asks */
  const pml_log *log; /* borrowed; it outlives the bus */
} pml_bus_options;

/* A server of this or another process. */
typedef struct {
  const char *id;
  uint64_t incarnation;
  const char *process; /* 32 hexadecimal digits, anew for each start of a process */
  const char *host;
  uint32_t pid;
  const char *info; /* JSON object: its entry of servers.json, with serverType, frontend, weight and
                       the versions of its dictionary and protos */
} pml_bus_server;

typedef enum {
  PML_BUS_UP,      /* it is there; the servers of the hub hear of it by on_peer */
  PML_BUS_LEAVING, /* it stops: it gets no new messages that may go elsewhere */
  PML_BUS_DOWN     /* it said goodbye, was silent for too long, or another life has its id */
} pml_bus_state;

typedef struct {
  /* The bus is there, text is the URL of its broker; or it is not, and text says why, in one
   * sentence. */
  void (*on_link)(int up, const char *text, void *ud);
  /* A server of another process. */
  void (*on_server)(const pml_bus_server *s, pml_bus_state state, void *ud);
  /* The end of pml_bus_claim. holder NULL: the id is free, and `above` is the highest incarnation
   * that it had. Otherwise a server that lives has it. */
  void (*on_claimed)(const char *id, const pml_bus_server *holder, uint64_t above, void *ud);
  /* A newer life has the id of a server of this process, which has to end, in order. */
  void (*on_superseded)(const char *id, const pml_bus_server *by, void *ud);
  /* This process cannot be part of the cluster; text says why: it speaks another protocol. */
  void (*on_refused)(const char *text, void *ud);
  /* Another program or a tool asks this one (pml_bus_ask): pml_bus_answer, last once with last 1.
   */
  void (*on_question)(pml_id question, const char *process, pml_slice text, void *ud);
  void *ud;
} pml_bus_events;

/* 0 with the bus (owned) in *out: it connects in the background, and goes on trying for ever.
 * PML_EINVAL, with one sentence in err: an option is wrong, libnats cannot be loaded. The hub is
 * held by a reference; NULL for a tool. */
int pml_bus_open(pml_loop *l, pml_hub *hub, const pml_bus_options *o, const pml_bus_events *ev,
                 pml_bus **out, char *err, size_t nerr);
/* Says goodbye, flushes for at most ms, frees b. No event comes from here on. */
void pml_bus_close(pml_bus *b, uint32_t ms);

/* Asks whether a server that lives has this id: on_claimed comes within a second, at once while the
 * bus is not there. Claim before the server joins the hub. An id that is free is this process's
 * until pml_bus_leave, which is called also when its server does not start. */
void pml_bus_claim(pml_bus *b, const char *id);
/* A server of this process has joined the hub: it is announced with info. Again with another info
 * when that has changed. */
void pml_bus_serve(pml_bus *b, const char *id, uint64_t incarnation, const char *info);
/* It stops; it has ended. */
void pml_bus_leaving(pml_bus *b, const char *id);
void pml_bus_leave(pml_bus *b, const char *id);

/* Calls fn for each server of another process that is there. */
void pml_bus_each(pml_bus *b, void (*fn)(const pml_bus_server *s, void *ud), void *ud);
/* The name of this process on the bus. Borrowed. */
const char *pml_bus_process(const pml_bus *b);
int pml_bus_is_up(const pml_bus *b);

/* Asks the program of a process, or (NULL) of every other process that is known now.
 * on_answer comes for each line of an answer; with text NULL once at the end, when all have
 * answered or are gone, or after ms without a line: late is how many did not answer. PML_ENOENT:
 * there is no such process, or no bus. */
typedef void (*pml_bus_on_answer_fn)(const char *process, const char *text, size_t late, void *ud);
int pml_bus_ask(pml_bus *b, const char *process, pml_slice text, uint32_t ms,
                pml_bus_on_answer_fn on_answer, void *ud);
void pml_bus_answer(pml_bus *b, pml_id question, pml_slice text, int last);

/* What went over the bus, for statistics. */
typedef struct {
  uint64_t sent, received;             /* records */
  uint64_t bytes_sent, bytes_received; /* of messages of the bus */
  uint64_t messages_sent, messages_received;
  uint64_t gaps;      /* records that were sent to servers of this process and never came */
  uint64_t strangers; /* messages that are not ours, or cannot be read */
  uint64_t full;      /* records dropped because a queue was full */
  uint64_t unsent;    /* records that were dropped because the bus was not there */
  uint64_t lost_links;
  /* Lists of uids (bus/lists), as they were sent: whole, what has changed, the number alone. */
  uint64_t lists_whole, lists_changed, lists_same;
  uint64_t lists_missed;    /* lists that were not here and were asked for */
  uint64_t lists_forgotten; /* lists, sent and received, that went because there was no room */
} pml_bus_counts;
void pml_bus_counts_get(const pml_bus *b, pml_bus_counts *out);

#endif
