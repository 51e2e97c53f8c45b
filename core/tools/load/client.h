/* client: the clients of the load generator: they connect, shake hands, enter, send requests, and
 * count what they get. One epoll, one thread.
 *
 * They write and read protobuf and routes as numbers when the server's handshake gives them that.
 * A client answers a heartbeat one interval later, as Pomelo's clients do. Messages are templates:
 * {uid} {room} {now} (seconds) {fill}. */
#ifndef PML_TOOLS_LOAD_CLIENT_H
#define PML_TOOLS_LOAD_CLIENT_H

#include "base/buf.h"
#include "net/tls_client.h"
#include "tools/load/forms.h"
#include "tools/load/options.h"
#include "tools/load/report.h"
#include "wire/package.h"

#include <stdint.h>

#define LOAD_BODY_MAX 60000

typedef struct load load;

typedef enum {
  CLIENT_CONNECTING,
  CLIENT_SEALING, /* in the handshake of TLS */
  CLIENT_UPGRADING,
  CLIENT_SHAKING,
  CLIENT_ENTERING,
  CLIENT_READY,
  CLIENT_DEAD
} client_state;

/* A frame of the server's, while it is read: its head, then the payload bytes that are missing. */
typedef struct {
  uint8_t head[10], nhead, op;
  uint64_t left;
} client_frame;

typedef struct {
  load *load;
  client_state state;
  int fd, id, room, in_flight, write_armed;
  uint32_t msg_id, left, got, heartbeat; /* left: requests to send still; got: pushes */
  uint32_t on_way;                       /* pushes that came after the last request was sent */
  double newest, may_read; /* the latest time of sending of a push; a slow client's bytes */
  double beat_at;          /* when a heartbeat is to be answered; 0: none is */
  double *sent_at;         /* by message id, for the latency of answers */
  pml_writer out, upgrade; /* upgrade: the HTTP answer so far */
  size_t sent;             /* of out */
  client_frame frame;
  pml_package_parser packages;
  pml_tls_client *tls; /* NULL: plain */
  pml_writer sealed;   /* what of out TLS has sealed; then `sent` is of it */
  int tls_done;        /* its handshake */
} client;

struct load {
  const load_options *o;
  client *clients;
  int epfd, ready, dead, beats; /* beats: heartbeats to be answered still */
  uint32_t *room_sent, id_mask, sample_every;
  uint64_t want, asked, deliveries, answers, errors, kicks, beats_sent, slow_got, bytes_in;
  double newest, slow_at; /* the time of sending of the last request; when slow clients read next */
  int asked_all;          /* no more requests are sent */
  double due;             /* when the request that is being written should have gone; 0: now */
  pml_tls_trust *trust;   /* NULL: without --tls */
  pml_writer plain;       /* what TLS has opened last */
  int tls_errors;
  load_samples samples;
  load_forms *forms; /* NULL before the first handshake */
  load_route enter, route, push;
  pml_writer message, scratch;
  char *fill;
  uint8_t in[65536], body[LOAD_BODY_MAX];
};

double load_now(void);
/* Makes all clients, none of which is connected. Returns owned, for the life of the process. */
load *load_new(const load_options *o);
/* With --resume: no session waits for a client that has gone. */
void load_leave(load *l);
/* Connects client i. Ends the process when there is no socket. */
void load_connect(load *l, int i);
/* Sends one request; in mode fan its pushes are wanted from then on. */
void load_ask(client *c);
/* Sends requests while c has some left, and fewer in flight than it may. */
void load_fire(client *c);
/* Serves all clients, for so long when nothing happens. */
void load_turn(load *l, double seconds);

#endif
