/* scratch: a Lua state for one call of one function, thrown away afterwards. What runs there cannot
 * touch the state that asks; it is stopped when it takes too long or holds too much memory. */
#ifndef PML_SCRIPT_SCRATCH_H
#define PML_SCRIPT_SCRATCH_H

#include "base/buf.h"

#include <lua.h>
#include <stdint.h>

typedef struct {
  const char *path;   /* package.path */
  lua_CFunction core; /* opens pomelua.core */
  uint32_t ms;        /* processor time that the function may take; 0: any */
  uint32_t mib;       /* Lua memory that it may hold; 0: any */
} pml_scratch_options;

/* Calls require(module)(text) in a state of its own, on this thread, with the compiler off. Borrows
 * all. 0: what it returned, a string, is in *out (owned); else a negative number and one line in
 * *err (owned). */
int pml_scratch_run(const pml_scratch_options *o, const char *module, pml_slice text, pml_buf **out,
                    char **err);

#endif
