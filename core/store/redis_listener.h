/* redis_listener: subscriptions to channels of a Redis server, on a connection of their own, which
 * takes no other command. It is opened with the first channel and closed with the last one. When it
 * is lost, it comes back after a pause (0.1 s, then twice as long up to 5 s, less up to a half by
 * chance), subscribes to all channels again, and says for each that messages may have been missed:
 * Redis keeps none.
 *
 * A server that sends nothing for `silent_ms` although it was asked (PING) counts as lost. */
#ifndef PML_STORE_REDIS_LISTENER_H
#define PML_STORE_REDIS_LISTENER_H

#include "base/buf.h"
#include "store/redis.h"

#define PML_REDIS_CHANNELS_MAX 1024

typedef struct pml_redis_listener pml_redis_listener;

typedef enum {
  PML_REDIS_MESSAGE, /* text: what was published */
  PML_REDIS_MISSED,  /* subscribed again after a loss; text: why it was lost */
  PML_REDIS_REFUSED, /* the server refuses the channel, which is forgotten; text: why */
  PML_REDIS_LOST     /* the connection; no channel; text: why. Told once until it is back */
} pml_redis_news;

/* All borrowed. May subscribe and unsubscribe, and close the listener. */
typedef void (*pml_redis_on_news)(pml_redis_news what, pml_slice channel, pml_slice text, void *ud);

/* Borrows o; of limits only max_bytes counts, of one message; NULL stands for PML_STORE_LIMITS.
 * Returns owned, NULL with one sentence in err. */
pml_redis_listener *pml_redis_listener_open(pml_loop *l, const pml_redis_options *o,
                                            const pml_store_limits *limits,
                                            pml_redis_on_news on_news, void *ud, char *err,
                                            size_t nerr);
/* 0; PML_EEXIST: it is subscribed to; PML_EFULL: to too many; PML_EINVAL: no name, or one of more
 * than 512 bytes. */
int pml_redis_listener_add(pml_redis_listener *l, pml_slice channel);
/* Messages of this channel that are on the way are dropped. Harmless when it is not subscribed to.
 */
void pml_redis_listener_remove(pml_redis_listener *l, pml_slice channel);
/* Whether it is connected, and subscribed to all channels. */
int pml_redis_listener_is_up(const pml_redis_listener *l);
/* Takes l. Nothing is told any more; its handles close by themselves. */
void pml_redis_listener_close(pml_redis_listener *l);

#endif
