/* l_password: the functions of `pomelua.core` for passwords. */
#ifndef PML_BIND_L_PASSWORD_H
#define PML_BIND_L_PASSWORD_H

#include <lua.h>

/* Sets them in the table at the top of the stack. */
void pml_open_password(lua_State *L);

#endif
