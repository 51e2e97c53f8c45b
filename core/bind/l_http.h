/* l_http: routes of HTTP requests and what is encoded in them, for scripts of the framework. */
#ifndef PML_BIND_L_HTTP_H
#define PML_BIND_L_HTTP_H

#include <lua.h>

/* Sets `httpRoutes`, `httpQuery` and `httpDecode` on the module at the top. */
void pml_open_http(lua_State *L);

#endif
