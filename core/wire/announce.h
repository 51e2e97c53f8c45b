/* announce: what the processes of a cluster tell each other on the bus about themselves and their
 * servers. What the messages are for is in bus/discovery; their layout is drawn in announce.c. */
#ifndef PML_WIRE_ANNOUNCE_H
#define PML_WIRE_ANNOUNCE_H

#include "base/buf.h"
#include "base/limits.h"

#define PML_PROCESS_BYTES 16 /* the name of a process */
#define PML_PROCESS_NAME \
  (2 * PML_PROCESS_BYTES + 1)        /* room for it in hexadecimal, with its NUL \
                                      */
#define PML_ANNOUNCE_MAX 1000000u    /* bytes of a message */
#define PML_ANNOUNCE_INFO_MAX 16384u /* bytes of what is told of a server */
#define PML_ANNOUNCE_HOST_MAX 255u
#define PML_ANNOUNCE_TIMEOUT_MAX 3600000u /* ms: what config/bus.json takes at most */

enum {
  PML_ANNOUNCE_BEAT = 1,   /* to all: it lives, and its list has this version */
  PML_ANNOUNCE_REFUSE = 2, /* to one of another protocol. The same in every protocol */
  PML_ANNOUNCE_GREET = 3,  /* to one; with WANT the other one answers with its list */
  PML_ANNOUNCE_LIST = 4,   /* to all: its list has changed */
  PML_ANNOUNCE_BYE = 5,    /* to all: it has ended */
  PML_ANNOUNCE_CLAIM = 6,  /* to the holder of an id, or to all: whose is it */
  PML_ANNOUNCE_HELD = 7    /* the answer */
};
enum {
  PML_ANNOUNCE_TOOL = 1,    /* BEAT, GREET: it never has servers, and answers no questions */
  PML_ANNOUNCE_WANT = 2,    /* GREET */
  PML_ANNOUNCE_LISTED = 4,  /* GREET: the list is in it */
  PML_ANNOUNCE_SETTLED = 8, /* REFUSE: the sender was there first */
  PML_ANNOUNCE_LIVES = 16   /* HELD: a server of the sender has the id; otherwise the sender only
                               knows which incarnation it had */
};

/* A view when read: it borrows the bytes. */
typedef struct {
  uint8_t protocol, kind, flags;
  uint8_t process[PML_PROCESS_BYTES]; /* of the sender */
  uint32_t number;                    /* BEAT: it counts; CLAIM and HELD: of the claim */
  uint32_t links;                     /* BEAT: how often the sender's link came up */
  uint64_t mine, theirs;              /* GREET: names of the meeting, see bus/discovery */
  uint32_t met;                       /* GREET with LISTED: others with servers that the sender has
                                         met, but for the receiver */
  uint32_t version;                   /* BEAT, LIST, GREET with LISTED: of the list */
  uint32_t pid;                       /* LIST, GREET with LISTED, HELD */
  pml_slice host;                     /* likewise, and REFUSE */
  uint64_t incarnation;               /* HELD; at most 2^53 */
  pml_slice id;                       /* CLAIM, HELD */
  pml_slice servers; /* LIST, GREET with LISTED: pml_announce_next takes them off */
} pml_announce;

typedef struct {
  pml_slice id; /* 1 to PML_SERVER_ID_MAX bytes of UTF-8 above the space */
  uint64_t incarnation;
  uint8_t leaving;
  pml_slice info; /* text of a JSON object */
} pml_announce_server;

/* `mine` of a greeting: the sender's timeout, and a number of the meeting, not 0. The other one
 * repeats all of it, and knows from it how long the sender waits: 0 when that is not said, at most
 * PML_ANNOUNCE_TIMEOUT_MAX whatever is in it. */
uint64_t pml_announce_mine(uint32_t timeout_ms, uint32_t number);
uint32_t pml_announce_timeout(const pml_announce *greet);

/* Appends a without its servers, which pml_announce_put_server appends behind it. Both borrow. */
void pml_announce_put(pml_writer *w, const pml_announce *a);
void pml_announce_put_server(pml_writer *w, const pml_announce_server *s);

/* 0 or PML_EPROTO: it is no such message. Of a message of another protocol than `protocol` only
 * protocol, kind and process are read, unless it is a REFUSE. */
int pml_announce_read(pml_slice in, uint8_t protocol, pml_announce *out);
/* Takes the first server off a->servers of a message that was read: 1, or 0 at the end. */
int pml_announce_next(pml_announce *a, pml_announce_server *out);

/* The name of a process as text, terminated; and back: 0, or PML_EINVAL. */
void pml_process_text(const uint8_t process[PML_PROCESS_BYTES], char out[PML_PROCESS_NAME]);
int pml_process_read(const char *text, uint8_t out[PML_PROCESS_BYTES]);

/* Whether a server may have this id, and this info. */
int pml_announce_id_ok(pml_slice id);
int pml_announce_info_ok(pml_slice info);

#endif
