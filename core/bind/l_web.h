/* l_web: the page server as the scripts of the command line describe it. */
#ifndef PML_BIND_L_WEB_H
#define PML_BIND_L_WEB_H

#include "host/web.h"

#include <lua.h>

/* Reads the table at the top: host, port, root, cert, key, base, headers (list of
 * {name, value or false}), health = false, connections, perAddress, perSecond, loopback,
 * requestTime, idleTime (ms), leastRate (bytes a second), proxies (list of CIDR); root = false: no
 * pages; http = {timeout =, maxWaiting =, maxBody =, maxAnswer =, port =, host =}: routes of a
 * game, on a port of their own when there is one. Pushes what holds the lists; the table and that
 * keep what is borrowed. Raises on wrong types. */
void pml_lua_web_read(lua_State *L, pml_web_options *o);

/* Sets `webPair` on the module at the top. */
void pml_open_web(lua_State *L);

#endif
