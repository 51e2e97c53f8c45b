/* transcode: messages in the form that their receiver has (node/forms). A push comes as one frame,
 * in the plain form. Its other forms are made when the first receiver needs them, once each, and
 * kept until the push is delivered. For the files of this folder. */
#ifndef PML_NODE_TRANSCODE_H
#define PML_NODE_TRANSCODE_H

#include "base/delivery.h"
#include "node/forms.h"
#include "wire/message.h"

/* Private to transcode.c. All zero to begin with. */
typedef struct {
  const pml_protos *told_of; /* the definitions that these lines were about; only compared */
  uint32_t told[64];         /* sums of what the log was told of them */
  unsigned ntold;
  uint64_t made, unfit, malformed;
} pml_transcode;

extern const pml_counter pml__transcode_counters[];

/* Forms of one push that are kept; one more takes the place of another. */
#define PML_OUTGOING_MAX 8
/* A client's protobuf may be so many times maxPackageSize as JSON text. */
#define PML_TRANSCODE_TIMES 4

/* One push while it is delivered. On the stack of its delivery. */
typedef struct {
  pml_node *node;
  pml_buf *plain;   /* read-only: as it came; borrowed */
  pml_buf *frame;   /* read-only: in the form of the last receiver; NULL: there is none */
  uint8_t form;     /* read-only: that form */
  pml_delivery how; /* read-only: the same for all forms */
  /* The rest is private. */
  uint8_t n, next;
  int halves;  /* 1: there are characters above U+FFFF in m; -1: none; 0: not looked at */
  int is_read; /* what m holds: 0 nothing yet, 1 the message, -1 it is none */
  pml_message_view m;
  struct {
    uint8_t form;
    pml_buf *frame;
  } made[PML_OUTGOING_MAX];
} pml_outgoing;

/* Borrows frame until the end. */
void pml__outgoing_begin(pml_outgoing *o, pml_node *n, pml_buf *frame, pml_delivery how);
void pml__outgoing_end(pml_outgoing *o);
/* Makes `form` the form of o->frame. */
void pml__outgoing_use(pml_outgoing *o, uint8_t form);
/* There is no frame in the form of this session: it is closed when its definitions are older than
 * those of the present. */
void pml__outgoing_missed(pml_outgoing *o, pml_session *s);

/* Queues the push for a session that has a sink. 1; 0: it has no form that this client reads. */
static inline unsigned pml__outgoing_send(pml_outgoing *o, pml_session *s) {
  if (s->form != o->form) pml__outgoing_use(o, s->form);
  if (o->frame) {
    pml_sink_push(s->sink, o->frame, o->how);
    return 1;
  }
  pml__outgoing_missed(o, s);
  return 0;
}

/* Queues a response, a frame in the plain form, for a session that has a sink. route: of the
 * request. A response that the client's definitions have no form for becomes {"code":500}; when
 * they have none for that either, the session is closed, so that no request stays open. */
void pml__transcode_respond(pml_node *n, pml_session *s, pml_slice route, pml_buf *frame);

/* The body of a client's message as JSON text: m->body is replaced when its route has a definition.
 * *held gets what holds the text, owned, or NULL. 0; PML_EPROTO: the body is malformed, or its text
 * would be longer than PML_TRANSCODE_TIMES packages. */
int pml__transcode_receive(pml_node *n, const pml_session *s, pml_message_view *m, pml_buf **held);

#endif
