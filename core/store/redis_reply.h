/* redis_reply: bytes from a Redis server become replies, by hiredis' reader, within limits.
 *
 * The format is RESP 2: https://redis.io/docs/latest/develop/reference/protocol-spec/ . A reply is
 * built as a list of values (store/data.h) while its bytes come; nothing takes memory because a
 * length was named. A reply above the limits is read to its end, without keeping it, so that the
 * replies behind it are still the right ones; what is far above them is an error of the connection,
 * as is what is no RESP 2, or nested deeper than 7 arrays. */
#ifndef PML_STORE_REDIS_REPLY_H
#define PML_STORE_REDIS_REPLY_H

#include "store/data.h"
#include "store/redis_library.h"

/* A reply that is skipped may be so many times as large as the limit. */
#define PML__REDIS_SKIP 4
#define PML__REDIS_DEPTH 7

typedef struct {
  size_t max_bytes;      /* of a reply, as pml_data_size counts them */
  uint32_t max_elements; /* of all arrays of a reply together */
} pml__redis_reply_limits;

typedef struct {
  int rc;          /* 0; PML_EIO: an error reply, the one value is its text (PML_DATUM_ERROR);
                      PML_ETOOBIG: above a limit, no values */
  int elements;    /* with PML_ETOOBIG: there were too many of them; 0: too many bytes */
  pml_data values; /* one reply: one value, or an array and what is in it */
} pml__redis_reply;

typedef struct pml__redis_reader pml__redis_reader;

/* Returns owned, NULL without memory. lib is borrowed for as long as the reader lives. */
pml__redis_reader *pml__redis_reader_new(const pml__redis_library *lib,
                                         const pml__redis_reply_limits *limits);
void pml__redis_reader_free(pml__redis_reader *r); /* NULL is allowed */
/* Borrows the bytes, which the reader keeps until they are read: call it again only when
 * pml__redis_reader_next has given 0. At most 16 KiB at once. 0, or PML_ENOMEM. */
int pml__redis_reader_feed(pml__redis_reader *r, const void *p, size_t n);
/* The next whole reply, whose values become the caller's: 1. 0: more bytes are needed. PML_EPROTO
 * or PML_ETOOBIG: the connection cannot be used any more; pml__redis_reader_why says why. */
int pml__redis_reader_next(pml__redis_reader *r, pml__redis_reply *out);
/* Borrowed; without a line end, and without bytes of the server that are no printable ASCII. */
const char *pml__redis_reader_why(const pml__redis_reader *r);

#endif
