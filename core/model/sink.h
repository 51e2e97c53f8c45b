/* sink: the port through which a session's bytes leave, so that the tables here
 * need no socket. net/peer is one; the test kit's recorder another. */
#ifndef PML_MODEL_SINK_H
#define PML_MODEL_SINK_H

#include "base/buf.h"
#include "base/delivery.h"
#include "base/limits.h"

typedef struct pml_sink pml_sink;
struct pml_session;

typedef struct {
  /* Queues a frame (wire/frame) for the client. Shares it. Never calls back. */
  void (*send)(pml_sink *s, pml_buf *frame);
  /* The same for a push that may be replaced or dropped: how.policy is not PML_RELIABLE. */
  pml_offered (*offer)(pml_sink *s, pml_buf *frame, pml_delivery how);
  /* Ends the connection after what is queued. reason, any bytes: sent in a KICK package
   * first; none when its p is NULL. Copied. Later calls change nothing. Never calls back
   * from inside. */
  void (*close)(pml_sink *s, pml_slice reason);
  /* The same without a KICK package: only the listeners of the session get the reason. Most clients
   * do not come back after a KICK package, and these may. */
  void (*leave)(pml_sink *s, pml_slice reason);
  /* The same when the server stops: the client is told to connect to another one. */
  void (*move)(pml_sink *s, pml_slice reason);
  /* The same as close for a reason of the server's own, a pml_end of net/conns, which the listeners
   * of the session get by its name; text is what the KICK package says. */
  void (*end)(pml_sink *s, int why, pml_slice text);
  /* The client's address; ip has room for PML_ADDRESS_TEXT bytes. */
  void (*address)(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port);
  /* What comes from the client from here on belongs to this session. NULL: to none; the connection
   * is closed without a KICK package, and nobody hears of its end. */
  void (*hand)(pml_sink *s, struct pml_session *to);
} pml_sink_calls;

struct pml_sink {
  const pml_sink_calls *calls;
};

static inline void pml_sink_send(pml_sink *s, pml_buf *frame) { s->calls->send(s, frame); }
static inline void pml_sink_push(pml_sink *s, pml_buf *frame, pml_delivery how) {
  if (how.policy == PML_RELIABLE) s->calls->send(s, frame);
  else s->calls->offer(s, frame, how);
}
static inline pml_offered pml_sink_offer(pml_sink *s, pml_buf *frame, pml_delivery how) {
  return s->calls->offer(s, frame, how);
}
static inline void pml_sink_close(pml_sink *s, pml_slice reason) { s->calls->close(s, reason); }
static inline void pml_sink_leave(pml_sink *s, pml_slice reason) { s->calls->leave(s, reason); }
static inline void pml_sink_move(pml_sink *s, pml_slice reason) { s->calls->move(s, reason); }
static inline void pml_sink_end(pml_sink *s, int why, pml_slice text) {
  s->calls->end(s, why, text);
}
/* A hint that a send comes soon. The memory that a client's connection reads first stands just
 * before its sink.
 */
static inline void pml_sink_warm(const pml_sink *s) {
  __builtin_prefetch(s);
  __builtin_prefetch((const char *)s - 128);
}
static inline void pml_sink_address(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port) {
  s->calls->address(s, ip, port);
}
static inline void pml_sink_hand(pml_sink *s, struct pml_session *to) { s->calls->hand(s, to); }

#endif
