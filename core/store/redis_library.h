/* redis_library: libhiredis, loaded when the first store of Redis is opened. Only what reads
 * replies and what writes commands is used of it: sockets, deadlines and connections are ours.
 *
 * The struct of its reader differs between versions, so the library must be the one whose headers
 * this program was built with: HIREDIS_SONAME is part of the name that is loaded. */
#ifndef PML_STORE_REDIS_LIBRARY_H
#define PML_STORE_REDIS_LIBRARY_H

#include <hiredis/hiredis.h>
#include <stddef.h>

#define PML__REDIS_FUNCTIONS(F) \
  F(redisReaderCreateWithFunctions) \
  F(redisReaderFree) \
  F(redisReaderFeed) \
  F(redisReaderGetReply) \
  F(redisFormatCommandArgv) \
  F(redisFreeCommand)

typedef struct {
#define PML__REDIS_FIELD(name) __typeof__(&name) name;
  PML__REDIS_FUNCTIONS(PML__REDIS_FIELD)
#undef PML__REDIS_FIELD
} pml__redis_library;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__redis_load(pml__redis_library *out, char *err, size_t nerr);

#endif
