/* nats_link: the one connection of a process to a broker, over libnats. It is for the bus's thread,
 * and may make it wait: as long as a broker takes to accept a connection, or the bytes of a
 * message.
 *
 * Events come on threads of the library: on_message on its one delivery thread, so that messages
 * come in the order in which the broker sent them, whatever they are subscribed to; on_event on
 * another one. An on_event may only post: what it says may be over when it comes. */
#ifndef PML_BUS_NATS_LINK_H
#define PML_BUS_NATS_LINK_H

#include "base/buf.h"

#include <stdint.h>

typedef struct pml__link pml__link;

typedef struct {
  const char *const *urls;
  size_t nurls;
  const char *name;                         /* of this client, for people who look at the broker */
  const char *user, *password, *creds, *ca; /* NULL: none */
} pml__link_options;

typedef enum {
  PML__LINK_LOST,   /* the connection broke; the library connects again */
  PML__LINK_AGAIN,  /* it has connected again */
  PML__LINK_CLOSED, /* it has given up: pml__link_disconnect, and connect anew */
  PML__LINK_SLOW,   /* messages were dropped because on_message did not keep up */
  PML__LINK_REFUSED /* the broker does not let the user publish or subscribe what was wanted */
} pml__link_event;

typedef struct {
  /* All borrowed. nobody: the broker says that nobody is there for a message that was published
   * with `subject` as its reply; data is empty. */
  void (*on_message)(const char *subject, pml_slice data, int nobody, void *ud);
  /* life: of the connection that it is about (pml__link_life). text: of REFUSED what the broker
   * said; else "". */
  void (*on_event)(pml__link_event event, uint32_t life, const char *text, void *ud);
  void *ud;
} pml__link_events;

/* Returns owned, NULL with one sentence in err: an option is wrong, or libnats is not there. o is
 * copied. Connects to nothing yet. Any thread. */
pml__link *pml__link_new(const pml__link_options *o, const pml__link_events *ev, char *err,
                         size_t nerr);
/* Takes l, which is disconnected. 0; or PML_ETIMEOUT: the library has not given a connection up,
 * and may call what ev has for ever; l stays where it is. */
int pml__link_free(pml__link *l);

/* Tries every url once; a broker has a second to answer, and 5 s for a TLS handshake. 0, or PML_EIO
 * with one sentence in err. */
int pml__link_connect(pml__link *l, char *err, size_t nerr);
/* After pml__link_connect, and for as long as it is connected. 0 or PML_EIO. */
int pml__link_subscribe(pml__link *l, const char *subject);
/* 0; PML_ECLOSED: not connected; PML_ETOOBIG: above the broker's limit; PML_EIO. reply may be
 * NULL. */
int pml__link_publish(pml__link *l, const char *subject, const char *reply, pml_slice data);
/* Waits until the broker has taken all that was published, for at most ms. */
void pml__link_flush(pml__link *l, uint32_t ms);
/* The same; 0, or PML_EIO when the broker has refused something of this connection, with what it
 * said in text. */
int pml__link_allowed(pml__link *l, uint32_t ms, char *text, size_t n);
/* Bytes of a message, as the broker said when it was connected to last. */
size_t pml__link_max_payload(pml__link *l);
/* Writes the url of the broker, without what may be secret in it. */
void pml__link_broker(pml__link *l, char *out, size_t n);
/* Another number for each connection. */
uint32_t pml__link_life(const pml__link *l);
/* Any thread: the program ends, and a connection that is being made is not waited for. */
void pml__link_cut(pml__link *l);
/* Harmless when it is not connected. No event comes from here on until it is connected again, but
 * for a library that does not answer for two seconds. */
void pml__link_disconnect(pml__link *l);

#endif
