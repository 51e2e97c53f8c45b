/* transport_local: servers that are threads of one process, and the way from and to servers of
 * other processes. A hub knows their mailboxes; records travel as references. Sends of one turn to
 * one server are posted together at the end of the turn: one lock and one wake-up. What is for a
 * server of another process goes to the mailbox of the bus (bus/bus). */
#ifndef PML_BUS_TRANSPORT_LOCAL_H
#define PML_BUS_TRANSPORT_LOCAL_H

#include "bus/transport.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "wire/bus_record.h"

typedef struct pml_hub pml_hub;

pml_hub *pml_hub_new(void);       /* returns owned (one reference) */
pml_hub *pml_hub_ref(pml_hub *h); /* any thread */
void pml_hub_unref(pml_hub *h);   /* any thread; transports hold references of their own */

/* Joins under id, on the loop's thread: every server that has joined hears of it on a later turn,
 * and this server hears of them, not of itself. 0, with the transport (owned) in *out. PML_EEXIST:
 * the id is taken; PML_EINVAL: the id has no bytes or more than PML_SERVER_ID_MAX, or the loop is
 * virtual; PML_EIO: the system refuses. ev is copied. The transport may be closed from inside its
 * events; on_peer may be NULL. A server can be sent to from the turn in which on_peer named it,
 * and the server itself at once. PML_EFULL: 64 MB wait for the server; blocks count in full
 * wherever they are sent, answers do not count. */
int pml_transport_local_join(pml_hub *h, pml_loop *l, const char *id,
                             const pml_transport_events *ev, pml_transport **out);

/* --- servers of other processes: what bus/bus adds to a hub ------------------------------- */

/* A server of another process. Counted. */
typedef struct pml_hub_member pml_hub_member;

/* What one of this process sent to one of another: mail of the bus's mailbox. */
typedef struct {
  pml_mail mail;
  uint8_t kind;              /* private */
  uint8_t flags;             /* read-only: PML_SEND_... */
  pml_hub_member *from, *to; /* read-only, counted */
  pml_buf *body, *extra;     /* read-only; NULL: none */
  uint64_t series;           /* read-only: see pml_transport */
  size_t nhead, weight;      /* read-only */
  uint8_t head[];
} pml_hub_record;

/* Any thread. Takes r; its receiver has room for as much again. */
void pml_hub_record_free(pml_hub_record *r);

/* Any thread. Others have been told of a server of this process, in this life: it hears of theirs
 * from here on, so what it sends to them comes behind the news of it. */
void pml_hub_announce(pml_hub *h, const char *id, uint64_t incarnation);
/* Any thread. A server of another process is there: every announced server of this one hears of it.
 * What is sent to it is posted to box (shared) and weighs nothing there: 64 MB may wait for it
 * until pml_hub_record_free. Returns owned; NULL: a server of this process has the id. One of
 * another process with that id is gone from here on. */
pml_hub_member *pml_hub_remote_up(pml_hub *h, const char *id, uint64_t incarnation,
                                  pml_mailbox *box);
/* Any thread. It is gone; harmless when it is already. m stays its holder's. */
void pml_hub_remote_down(pml_hub *h, pml_hub_member *m);
/* Any thread. away 1: sends to it are PML_ENOENT from here on, and servers of this process hear of
 * it by on_away. 0: it can be reached again. */
void pml_hub_remote_away(pml_hub *h, pml_hub_member *m, int away);
void pml_hub_member_unref(pml_hub_member *m); /* any thread; NULL is allowed */
const char *pml_hub_member_id(const pml_hub_member *m);
uint64_t pml_hub_member_incarnation(const pml_hub_member *m);
/* Free for the bus, which alone reads and writes it, on its thread. */
void **pml_hub_member_ud(pml_hub_member *m);

/* Any thread. Whether from is a server of another process and to one of this one, in these lives.
 */
int pml_hub_knows(pml_hub *h, const pml_batch_pair *p);
/* Any thread. A record from a server of another process; body and extra are shared. PML_ENOENT:
 * pml_hub_knows would say no; PML_EFULL: 64 MB wait for the receiver, and it is not owed. */
int pml_hub_deliver(pml_hub *h, const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body,
                    pml_buf *extra);
/* Any thread. Records of that pair are missing: the receiver hears of it by on_gap. */
void pml_hub_gap(pml_hub *h, const pml_batch_pair *p);
/* Any thread. A record about lists (PML_SEND_ABOUT) from the receiver of the pair to its sender;
 * nothing when pml_hub_knows would say no. */
void pml_hub_back(pml_hub *h, const pml_batch_pair *p, pml_slice head);
/* Any thread. A server of this process is nobody for those of others, which know another life of
 * its id: what it sends to them is PML_ENOENT from here on, and it hears of each by on_away. */
void pml_hub_exile(pml_hub *h, const char *id);
/* Any thread. Servers that join from here on have higher incarnations than this. */
void pml_hub_raise(pml_hub *h, uint64_t incarnation);

/* For specs: how many records this transport has sent so far. */
uint64_t pml_transport_local_sent(const pml_transport *t);

#endif
