/* l_dictionary: core.dictionary, route dictionaries as scripts hold them. */
#ifndef PML_BIND_L_DICTIONARY_H
#define PML_BIND_L_DICTIONARY_H

#include "wire/dictionary.h"

#include <lua.h>

/* Creates the metatable; sets dictionary on the module at the top. */
void pml_open_dictionary(lua_State *L);
/* The dictionary at idx, borrowed from its userdata; raises on anything else. */
pml_dictionary *pml_lua_dictionary(lua_State *L, int idx);

#endif
