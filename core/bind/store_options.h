/* store_options: how the options of a store are read from a table of a script. The Lua half has
 * looked at them before: a wrong one raises. */
#ifndef PML_BIND_STORE_OPTIONS_H
#define PML_BIND_STORE_OPTIONS_H

#include <lua.h>
#include <stdint.h>

#define PML_LUA_STORE_DAY 86400000u /* ms: what times of stores are below */

/* The text in field `name` of the table at idx, which must not be counted from the top; NULL when
 * it is nil. Borrowed from the stack, on which the field stays. */
const char *pml_lua_store_text(lua_State *L, int idx, const char *name);
/* The whole number in that field, which may be a text of digits; `otherwise` when it is nil. Raises
 * when it is not from least to most. */
uint32_t pml_lua_store_number(lua_State *L, int idx, const char *name, uint32_t least,
                              uint32_t most, uint32_t otherwise);

#endif
