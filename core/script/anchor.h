/* anchor: a Lua value that C holds. It stands in the registry under the address of the anchor, a
 * field of a structure that does not move while it holds something.
 *
 * Not luaL_ref, whose keys are whole numbers: when the registry grows and its second allocation
 * fails, LuaJIT has already given it a longer array part, in which numbers that still stand in its
 * hash part are not found any more. An address always stands in the hash part. */
#ifndef PML_SCRIPT_ANCHOR_H
#define PML_SCRIPT_ANCHOR_H

#include <lua.h>

/* Zeroed is a valid start: it holds nothing. */
typedef struct {
  int held; /* private */
} pml_anchor;

/* Takes the value on top of L, which is not nil, in place of what was held. Raises when there is no
 * memory; then it holds what it held. */
void pml_anchor_hold(lua_State *L, pml_anchor *a);
/* Pushes the value; nil: none is held. Needs two places on the stack, and no memory. */
void pml_anchor_push(lua_State *L, const pml_anchor *a);
/* Lets the value go. Harmless when none is held. */
void pml_anchor_drop(lua_State *L, pml_anchor *a);

static inline int pml_anchor_holds(const pml_anchor *a) { return a->held; }

#endif
