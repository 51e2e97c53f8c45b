/* l_channel_service: the metatable "pomelua.channelService": what app:get("channelService") gives.
 */
#ifndef PML_BIND_L_CHANNEL_SERVICE_H
#define PML_BIND_L_CHANNEL_SERVICE_H

#include <lua.h>

/* Creates the metatable; sets channel_service_methods, the table of its methods, on the module at
 * the top. */
void pml_open_channel_service(lua_State *L);

#endif
