/* redis_link: one connection to a Redis server: it finds the host, connects, logs in, sends bytes
 * and reads replies. What the replies are replies to is its owner's business: the driver
 * (store/redis) and subscriptions (store/redis_listener) have one each. */
#ifndef PML_STORE_REDIS_LINK_H
#define PML_STORE_REDIS_LINK_H

#include "store/names.h"
#include "store/redis_library.h"
#include "store/redis_reply.h"
#include "store/redis_where.h"

typedef struct pml__redis_link pml__redis_link;

/* What a link tells its owner, on the loop's thread, never from inside of a function below. In any
 * of them the owner may send, and may close this link and others. */
typedef struct {
  /* It is connected and logged in. */
  void (*up)(pml__redis_link *l);
  /* The next reply; its values are the owner's. */
  void (*reply)(pml__redis_link *l, pml__redis_reply *r);
  /* The system has taken bytes that waited: unsent is less. */
  void (*sent)(pml__redis_link *l);
  /* It did not come up, or has broken, and is closed. why: a sentence without a line end or a
   * secret, borrowed. */
  void (*down)(pml__redis_link *l, const char *why);
  /* Nothing of it is left on the loop: its memory goes when this returns. */
  void (*gone)(pml__redis_link *l);
} pml__redis_link_events;

/* What the links of one owner share; all of it borrowed, and longer-lived than they are. */
typedef struct {
  pml_loop *loop;
  const pml__redis_library *library;
  pml_names *names;
  const pml__redis_where *where;
  pml__redis_reply_limits limits;
  uint32_t connect_ms; /* for all of it, from the name to the login */
} pml__redis_link_options;

struct pml__redis_link {
  void *ud;       /* the owner's */
  uint64_t heard; /* read-only: when bytes came last, of pml_loop_now */
  size_t unsent;  /* read-only: bytes that were given to it and not yet to the system */
  int is_up;      /* read-only */
  int is_closed;  /* read-only */
};

/* Begins to connect. Returns owned: it frees itself, behind `gone`. */
pml__redis_link *pml__redis_link_open(const pml__redis_link_options *o,
                                      const pml__redis_link_events *events, void *ud);
/* Borrows the bytes, which leave at the end of this turn, together with others. Only when it is up;
 * nothing happens when it is closed. */
void pml__redis_link_send(pml__redis_link *l, pml_slice bytes);
/* down is not called, and nothing but gone is. Harmless when it is closed. */
void pml__redis_link_close(pml__redis_link *l);

/* How long an owner waits before the next attempt, in milliseconds: 0.1 s, then twice as long each
 * time up to 5 s, less up to a half by chance, so that many servers do not come at the same moment.
 * failed: attempts before the last one, one after the other. */
uint32_t pml__redis_link_pause(uint32_t failed);

#endif
