/* sink: the port through which a session's bytes leave, so that the tables here
 * need no socket. net/peer is one; the test kit's recorder another. */
#ifndef PML_MODEL_SINK_H
#define PML_MODEL_SINK_H

#include "base/limits.h"
#include "base/buf.h"

typedef struct pml_sink pml_sink;
typedef struct {
  /* Queues a frame (wire/frame) for the client. Shares it. Never calls back. */
  void (*send)(pml_sink *s, pml_buf *frame);
  /* Ends the connection after what is queued. reason, any bytes: sent in a KICK package
   * first; none when its p is NULL. Copied. Later calls change nothing. Never calls back
   * from inside. */
  void (*close)(pml_sink *s, pml_slice reason);
  /* The same when the server stops: only the listeners of the session get the reason. Most clients
   * do not come back after a KICK package, and these are to come back when the server is up again.
   */
  void (*leave)(pml_sink *s, pml_slice reason);
  /* The client's address; ip has room for PML_ADDRESS_TEXT bytes. */
  void (*address)(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port);
} pml_sink_calls;

struct pml_sink {
  const pml_sink_calls *calls;
};

static inline void pml_sink_send(pml_sink *s, pml_buf *frame) { s->calls->send(s, frame); }
static inline void pml_sink_close(pml_sink *s, pml_slice reason) { s->calls->close(s, reason); }
static inline void pml_sink_leave(pml_sink *s, pml_slice reason) { s->calls->leave(s, reason); }
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

#endif
