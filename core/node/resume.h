/* resume: sessions that outlive their connections (connectorConfig.resume). Such a session sends
 * through a sink of this file, which stands between it and the connection: it keeps the last
 * packages (model/backlog) and passes them on. When the line is lost the session waits for its
 * client for a time, the grace, and everything that is sent to it is kept. A client comes back with
 * a token and says how many packages it has taken; the handshake hands its new connection to the
 * old session, and after the ACK it gets what it has missed.
 *
 *   NEW      answered, no ACK yet: nothing is kept, and nothing waits for its client
 *   OPEN     there is a connection
 *   WAITING  there is none, for the grace at most
 *   SHAKING  a client has come back, and its ACK has not come: as WAITING otherwise
 *   OVER     it ends at the end of the turn
 *
 * Memory: the blocks of one session are bounded by resumeBytes, those of all by resumeTotal. When
 * all together are too many, connected sessions lose their oldest blocks in turn, as long as they
 * hold more than half; else the session ends that has waited longest. A block that several sessions
 * hold counts in each.
 *
 * For the files of this folder. */
#ifndef PML_NODE_RESUME_H
#define PML_NODE_RESUME_H

#include "base/refs.h"
#include "loop/loop.h"
#include "model/tickets.h"
#include "net/conns.h"
#include "node/counter.h"
#include "node/node.h"

#define PML_RESUME_TOKEN PML_TICKET_TEXT /* hex digits */

typedef struct pml_resumed pml_resumed;

/* Private to resume.c. */
typedef struct {
  pml_tickets tokens;
  pml_list waiting; /* WAITING and SHAKING, the one that began first at the front */
  pml_list open;    /* OPEN: in turn they lose what is too much */
  pml_list over;    /* OVER, without a connection */
  pml_timer grace;  /* of the first of waiting */
  pml_task settle;  /* ends those in over, and settles refs */
  pml_refs refs;
  void (*ended)(pml_node *n, pml_session *s, const pml_close_reason *why);
  uint64_t bytes, open_bytes; /* of all; of those in open */
  uint64_t all, nwaiting;     /* how many there are; how many are WAITING */
  int stopping;
  int settling; /* settle is deferred */
  uint64_t lost, resumed, refused, overflowed, expired, evicted;
} pml_resume;

/* What the answer to the handshake of a client that has come back says. */
typedef struct {
  char token[PML_RESUME_TOKEN + 1]; /* with which it comes the next time */
  uint64_t received;                /* DATA packages of the client that were taken */
  int was_open;                     /* the line before was open still, and is closed */
} pml_resume_answer;

extern const pml_counter pml__resume_counters[];

/* ended: ends a session whose time is over; the frontend's, so that no two files call each other.
 */
void pml__resume_init(pml_node *n,
                      void (*ended)(pml_node *n, pml_session *s, const pml_close_reason *why));
/* Frees what is kept of all sessions; nobody is told. */
void pml__resume_clear(pml_node *n);
/* From here on no session waits. Those that wait end, with a reason, which is copied; p NULL: they
 * wait on. */
void pml__resume_stop(pml_node *n, pml_slice reason);

/* The session s, whose handshake is about to be answered, outlives its connection from its ACK on.
 * token: with which its client comes back. 0; PML_EINVAL: it does already, or resume is off;
 * PML_EIO: the system gives no random bytes. */
int pml__resume_keep(pml_node *n, pml_session *s, char token[PML_RESUME_TOKEN + 1]);
/* Whose token this is, any bytes, and whether its client, which has taken `seen` packages, any
 * number, may go on: 0; PML_ENOENT: it is nobody's, or `seen` is impossible; PML_EFULL: what the
 * client has missed is not there any more. Changes nothing. *out with 0 and PML_EFULL. */
int pml__resume_find(pml_node *n, pml_slice token, double seen, pml_session **out);
/* s, which pml__resume_find has found, goes on with the connection `line`, whose handshake is about
 * to be answered. 0; PML_ENOENT: the token is not that of s; PML_EIO as above. Borrows line until
 * pml__resume_lost or pml__resume_forget. */
int pml__resume_take(pml_node *n, pml_session *s, pml_slice token, uint64_t seen, pml_sink *line,
                     pml_resume_answer *out);
/* The ACK of its client has come. 1: it has come back, and was sent what it has missed. */
int pml__resume_acked(pml_node *n, pml_session *s);
/* Its line is gone, which may give a grace; a text of `why` is a constant. 1: it waits; 0: it is to
 * be ended. */
int pml__resume_lost(pml_node *n, pml_session *s, const pml_close_reason *why);
/* What s, which waits, is counted by: filled by the caller, and given back from here. */
pml_seat *pml__resume_seat(const pml_session *s);
/* Before the connections are freed: no session is counted any more. */
void pml__resume_unseat(pml_node *n);
/* Its client leaves for good: the end of its line gives no grace. */
void pml__resume_leaves(pml_session *s);
int pml__resume_has_left(const pml_session *s);
/* The end of s: it has no sink from here on. Any session. */
void pml__resume_forget(pml_node *n, pml_session *s);
/* A DATA package of its client has come. */
void pml__resume_took(pml_session *s);
/* A client wanted to come back and could not: it is counted. */
void pml__resume_not(pml_node *n, int too_late);

/* Of any session. */
int pml__resume_is_waiting(const pml_session *s); /* it has no connection */
int pml__resume_comes_back(const pml_session *s); /* its client's ACK is awaited */
pml_sink *pml__resume_line(const pml_session *s); /* of its connection; NULL: there is none */

/* Fetches what a send to such a session reads; its sink was fetched before. */
void pml__resume_warm(const pml_sink *s);

#endif
