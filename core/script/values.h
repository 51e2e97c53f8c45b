/* values: how ids, names, uids and failures cross between C and Lua. Nothing here keeps state. */
#ifndef PML_SCRIPT_VALUES_H
#define PML_SCRIPT_VALUES_H

#include "base/limits.h"
#include "base/buf.h"
#include "base/slot.h"
#include "base/uid.h"

#include <lauxlib.h>

#define PML_LUA_WHOLE PML_INTEGER_MAX /* 2^53: below it every whole number is exact */

/* Pushes nil, message, name of err and returns 3. */
int pml_lua_fail(lua_State *L, int err, const char *message);
int pml_lua_fail_name(lua_State *L, const char *name, const char *message);

/* An id (session, request, …) at idx: a number; 0 when it is none. Raises on other types. */
pml_id pml_lua_id(lua_State *L, int idx);
/* The name of a server at idx as a C string, borrowed; "", which no server has, when it holds a
 * NUL, since the part before the NUL would name another server. Raises on other types. */
const char *pml_lua_name(lua_State *L, int idx);
/* A uid at idx: string or number, borrowed; buf holds a number's text. 0, or PML_EINVAL (NaN, too
 * long, other type). */
int pml_lua_uid(lua_State *L, int idx, char buf[PML_NUMBER_TEXT], pml_uid *out);
void pml_lua_push_uid(lua_State *L, pml_uid uid);     /* nil for none */
void pml_lua_push_slice(lua_State *L, pml_slice s);   /* nil for an empty one */
void pml_lua_push_uids(lua_State *L, pml_slice list); /* an array */
/* Appends the uids of the array at idx (nil: none). 0 or PML_EINVAL. */
int pml_lua_uids(lua_State *L, int idx, pml_writer *w);

#endif
