/* redis_unit: what one call sends to a Redis server, and its answer, put together from as many
 * replies as it has commands. A unit outlives its call when that is over before the replies are
 * there, so that these are taken out of the way of others. */
#ifndef PML_STORE_REDIS_UNIT_H
#define PML_STORE_REDIS_UNIT_H

#include "base/pool.h"
#include "store/redis_library.h"
#include "store/redis_reply.h"
#include "store/store.h"

typedef struct {
  pml_list node;        /* the owner's */
  pml_store_call *call; /* NULL: nobody waits for the answer */
  pml_buf *bytes;       /* of its commands, owned; NULL when they were sent */
  uint32_t replies;     /* that are still to come */
  uint32_t replied;     /* that have come */
  int is_list, is_multi;
  int rc;           /* of a list: that of the first reply that makes the whole call fail */
  pml_buf *message; /* owned; with rc */
  pml_data values;  /* of a list: the answer so far */
} pml__redis_unit;

#define PML__REDIS_COMMANDS_MAX 10000 /* of one call */

/* Whether the call's words are commands that may be sent: 0, or PML_EINVAL with a sentence in err.
 */
int pml__redis_unit_check(pml_store_call *c, char *err, size_t nerr);
/* Returns owned, from the pool; NULL with a sentence in err: the call's words are no commands that
 * may be sent. call->driver is set to it. */
pml__redis_unit *pml__redis_unit_new(pml_pool *pool, const pml__redis_library *lib,
                                     pml_store_call *c, char *err, size_t nerr);
/* Takes the unit, out of its list too; the call is not answered. */
void pml__redis_unit_free(pml_pool *pool, pml__redis_unit *u);
/* The next of its replies, whose values it takes. Returns 1 when it was the last one: then
 * pml__redis_unit_finish. limits: those of the reader. */
int pml__redis_unit_reply(pml__redis_unit *u, pml__redis_reply *r,
                          const pml__redis_reply_limits *limits);
/* Takes the unit, and answers its call, if there is one. */
void pml__redis_unit_finish(pml_pool *pool, pml__redis_unit *u);

#endif
