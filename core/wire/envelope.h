/* envelope: the head of a record between servers. A record is this head and up to two
 * blocks: a body (JSON text, or a finished frame), and an extra one (a list of uids).
 * Layout: envelope.c has the drawing; version 4. */
#ifndef PML_WIRE_ENVELOPE_H
#define PML_WIRE_ENVELOPE_H

#include "base/buf.h"
#include "base/uid.h"

enum {
  /* rpc: route "service.method", body: JSON array of arguments. Without a route: answered at
   * once; the answer proves that everything sent before has arrived. */
  PML_ENV_CALL = 1,
  PML_ENV_FORWARD = 2, /* a client's message: session, msg_*, route; param: its bytes */
  PML_ENV_ANSWER = 3,  /* to CALL, FORWARD, PUSH, BROADCAST, CHANNEL: call, status, body */
  /* Of these three the body is a frame; flags LATEST with identity, or DROP. */
  PML_ENV_PUSH = 4, /* extra: uids; param: uids left out */
  PML_ENV_BROADCAST =
    5,                /* flags BINDED, FILTER; param: filterParam as JSON; extra: uids left out */
  PML_ENV_SEND = 6,   /* session */
  PML_ENV_CREDIT = 7, /* notifies that were handled: node/credits */
  /* A push to the members of a cluster channel, a frame as above; route: its name; extra: uids left
   * out. */
  PML_ENV_CHANNEL = 8,
  PML_ENV_INTEREST = 9 /* which cluster channels have members; body: wire/interest_list */
};
enum {
  PML_ENV_BINDED = 1,
  PML_ENV_FILTER = 2,
  PML_ENV_COMPRESSED = 4,
  PML_ENV_GZIP = 8,
  PML_ENV_ASIDE = 16,  /* CALL: a stop in order does not wait for it */
  PML_ENV_LATEST = 32, /* how the frame is delivered (base/delivery) */
  PML_ENV_DROP = 64,
  PML_ENV_LEAVING = 128 /* CALL without a route: its sender stops */
};

/* A view when read: it borrows the bytes. */
typedef struct {
  uint8_t kind, flags;
  uint8_t status;   /* ANSWER: 0 good, else an error whose text is the body */
  uint8_t msg_type; /* FORWARD: PML_MSG_REQUEST or PML_MSG_NOTIFY */
  uint32_t ms;      /* milliseconds left for an answer; 0: none is wanted */
  uint32_t msg_id;  /* FORWARD: of a request; of a notify, and CREDIT: see node/credits */
  uint64_t call;    /* the sender's id of this call; 0: no answer is wanted */
  uint64_t session; /* FORWARD: id on the frontend `from`; SEND: id on the receiver */
  pml_slice from;   /* id of the sending server, as the transport names it; records leave it out */
  /* A server that is restarted under its id has another incarnation: of the sender, and of the
   * receiver that the record is meant for. */
  uint64_t from_incarnation, to_incarnation;
  uint64_t identity;  /* LATEST */
  pml_slice route;    /* FORWARD: the client's route; CALL: "chatRemote.add"; CHANNEL: a name */
  pml_uid uid;        /* FORWARD: of the session; s NULL when unbound */
  pml_slice settings; /* FORWARD: JSON object text; empty when there are none */
  pml_slice param;    /* see the kinds */
  /* PUSH: the series that extra belongs to, for the transport (bus/transport); 0: none. It is not
   * written. */
  uint64_t series;
} pml_envelope;

/* Appends e to w. Borrows e's texts; its uid is at most PML_UID_MAX bytes. */
void pml_envelope_put(pml_writer *w, const pml_envelope *e);
pml_buf *pml_envelope_write(const pml_envelope *e); /* the same as a block, returned owned */
/* 0 or PML_EPROTO: cut, unknown version or kind, bytes left over. */
int pml_envelope_read(pml_slice in, pml_envelope *out);

#endif
