/* transport: the port through which servers send records to each other.
 *
 * The delivery contract, which every implementation keeps:
 *   order      records from one server to another arrive in the order sent
 *   at most once  a record arrives once or not at all, never twice
 *   no re-entry   nothing is delivered inside send(); it arrives on a later turn
 *                 of the receiver's loop, on its thread
 *   limits     a record above PML_RECORD_MAX is PML_ETOOBIG; a receiver whose
 *              queue is full is PML_EFULL at once. An answer is accepted all the same: the
 *              caller waits for it, and a caller may open so many calls only
 *   gone       a server that is unknown or gone is PML_ENOENT at once; one that
 *              goes later is reported by on_peer(id, 0), after its last record; records
 *              that were sent to it and not delivered are lost, silently
 *   life       a server that leaves and joins again under its id is another one: its
 *              incarnation is higher than that of every life of that id before. The head of
 *              a record names the lives of both sides (wire/envelope); bus/rpc, which reads
 *              heads, drops a record that is for, or from, another life than the present one
 *   away       a server of another process that cannot be reached just now is PML_ENOENT at once,
 * and on_away(id) says so, once each time: what waits for its answers gets none. It is there all
 * the same, in the same life, until on_peer(id, 0) accepted   0 means accepted, not delivered: a
 * caller that needs to know asks for an answer and sets a deadline (bus/rpc) Blocks are shared,
 * never copied, within a process. */
#ifndef PML_BUS_TRANSPORT_H
#define PML_BUS_TRANSPORT_H

#include "base/buf.h"

#define PML_RECORD_MAX (32u << 20) /* bytes of all blocks together */

/* The events of a server. All pointers are borrowed until the call returns. */
typedef struct {
  void (*on_record)(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud);
  /* A server came (up 1) or went (up 0). Called also for the servers that are there at the start;
   * for one life after the other. */
  void (*on_peer)(const char *id, uint64_t incarnation, int up, void *ud);
  void *ud;
  void (*on_away)(const char *id, uint64_t incarnation, void *ud); /* NULL: does not matter */
  /* Records of a server of another process to this one were lost, before the next that comes. NULL:
   * does not matter. */
  void (*on_gap)(const char *id, uint64_t incarnation, void *ud);
} pml_transport_events;

/* How a record is sent. */
enum {
  PML_SEND_OWED = 1, /* it is an answer: never PML_EFULL */
  PML_SEND_ASKS =
    2, /* an answer is waited for: on_away as soon as it is known that none can come */
  /* Between the buses of two processes: */
  PML_SEND_LIST = 4, /* extra stands for a list (wire/bus_list) */
  PML_SEND_ABOUT = 8 /* head is about a list (wire/bus_list) */
};

typedef struct pml_transport pml_transport;
struct pml_transport {
  uint64_t incarnation; /* read-only: of this server's life; never 0 */
  /* Copies head, shares the blocks; body and extra may be NULL. Sending to oneself is allowed.
   * series: 0, or extra is a list of uids (base/uid) and follows, with few changes or as the same
   * block, the one that was sent to this server in this series before: the bus then sends what has
   * changed (bus/lists). flags: PML_SEND_... */
  int (*send)(pml_transport *t, const char *to, pml_slice head, pml_buf *body, pml_buf *extra,
              uint64_t series, int flags);
  /* Leaves and frees t: the other servers hear that this one is gone. */
  void (*close)(pml_transport *t);
};

static inline int pml_transport_send(pml_transport *t, const char *to, pml_slice head,
                                     pml_buf *body, pml_buf *extra) {
  return t->send(t, to, head, body, extra, 0, 0);
}
/* The same for a record whose extra block is the list of a series. */
static inline int pml_transport_send_list(pml_transport *t, const char *to, pml_slice head,
                                          pml_buf *body, pml_buf *extra, uint64_t series) {
  return t->send(t, to, head, body, extra, series, 0);
}
/* The same for a record that wants an answer. */
static inline int pml_transport_ask(pml_transport *t, const char *to, pml_slice head, pml_buf *body,
                                    pml_buf *extra) {
  return t->send(t, to, head, body, extra, 0, PML_SEND_ASKS);
}
/* The same for an answer. */
static inline int pml_transport_answer(pml_transport *t, const char *to, pml_slice head,
                                       pml_buf *body) {
  return t->send(t, to, head, body, NULL, 0, PML_SEND_OWED);
}
static inline void pml_transport_close(pml_transport *t) { t->close(t); }

#endif
