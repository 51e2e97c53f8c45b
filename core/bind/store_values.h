/* store_values: what goes to a store and comes from it, as values of Lua. */
#ifndef PML_BIND_STORE_VALUES_H
#define PML_BIND_STORE_VALUES_H

#include "store/store.h"

#include <lua.h>

/* The parameters in the table at idx, whose field n says how many there are (the table's length,
 * when it has none). 0, or -1 with a sentence in err. Raises nothing. */
int pml_lua_store_params(lua_State *L, int idx, pml_data *out, char *err, size_t nerr);

/* The same for n values on the stack from index `first` on. */
int pml_lua_store_values(lua_State *L, int first, int n, pml_data *out, char *err, size_t nerr);

/* Looks through an answer for what Lua has no value for: a whole number above 2^53, arrays in
 * arrays too deep. Then the call has failed with PML_STORE_RANGE, and says which column. */
#define PML_STORE_RANGE 1 /* rc of such a call: no error of C's */
void pml_lua_store_check(pml_store_call *c);

/* Pushes what the function of a call gets and returns how many values: nil and the answer, or
 * code, message, SQLSTATE or nil. May raise when there is no memory. */
int pml_lua_store_push(lua_State *L, pml_store_call *c);

/* core.blob(bytes) -> a value that goes to a store as bytes, not as text */
int pml_lua_store_blob(lua_State *L);

#endif
