/* l_redis_listener: core.redisListener: channels of a Redis server that scripts subscribe to. */
#ifndef PML_BIND_L_REDIS_LISTENER_H
#define PML_BIND_L_REDIS_LISTENER_H

#include <lua.h>

/* Sets `redisListener` on the module at the top. */
void pml_open_redis_listener(lua_State *L);

#endif
