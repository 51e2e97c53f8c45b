/* l_store_redis: how a script says where a Redis server is. */
#ifndef PML_BIND_L_STORE_REDIS_H
#define PML_BIND_L_STORE_REDIS_H

#include "bind/l_store.h"
#include "store/redis.h"

/* Reads the table at idx. The texts stay on the stack of L, which the caller takes back when it
 * needs them no more. */
void pml_lua_redis_options(lua_State *L, int idx, pml_redis_options *o);

#endif
