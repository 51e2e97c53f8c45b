/* l_digest: the functions of `pomelua.core` for sums, digests and random bytes, by OpenSSL. */
#ifndef PML_BIND_L_DIGEST_H
#define PML_BIND_L_DIGEST_H

#include <lua.h>

/* Sets them in the table at the top of the stack. */
void pml_open_digest(lua_State *L);

#endif
