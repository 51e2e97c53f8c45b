/* l_token: core.tokenKeys: keys that check and make JSON Web Tokens (wire/jwt). */
#ifndef PML_BIND_L_TOKEN_H
#define PML_BIND_L_TOKEN_H

#include <lua.h>

/* Adds tokenKeys to the table at the top. */
void pml_open_token(lua_State *L);

#endif
