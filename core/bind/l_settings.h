/* l_settings: the table of a server's settings for `pomelua.core`. */
#ifndef PML_BIND_L_SETTINGS_H
#define PML_BIND_L_SETTINGS_H

#include <lua.h>

/* Sets the function in the table at the top of the stack. */
void pml_open_settings(lua_State *L);

#endif
