/* redis_where: where a server is and who asks: a copy of those options, checked, with defaults. */
#ifndef PML_STORE_REDIS_WHERE_H
#define PML_STORE_REDIS_WHERE_H

#include "store/redis.h"

typedef struct {
  char *user, *password; /* owned; NULL: none */
  char host[256];        /* without the brackets of an IPv6 address */
  char name[272];        /* "host:port", for messages: it has no secret */
  uint16_t port;         /* 6379 when there is none */
  uint32_t database;     /* 0 when there is none */
} pml__redis_where;

/* Borrows o, of which it reads where and who. 0, or PML_EINVAL with a sentence in err, which holds
 * no secret; *out is filled only with 0. */
int pml__redis_where_set(pml__redis_where *out, const pml_redis_options *o, char *err, size_t nerr);
void pml__redis_where_drop(pml__redis_where *w);

#endif
