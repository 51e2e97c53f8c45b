/* l_replace: the functions of `pomelua.core` for files that are replaced as a whole. */
#ifndef PML_BIND_L_REPLACE_H
#define PML_BIND_L_REPLACE_H

#include <lua.h>

/* Sets them in the table at the top of the stack. */
void pml_open_replace(lua_State *L);

#endif
