/* l_json: the functions of `pomelua.core` for JSON: encode, clean, null, the marks
 * of arrays, and the caller of toJSON. */
#ifndef PML_BIND_L_JSON_H
#define PML_BIND_L_JSON_H

#include <lua.h>

/* Sets them in the table at the top of the stack. */
void pml_open_json(lua_State *L);

#endif
