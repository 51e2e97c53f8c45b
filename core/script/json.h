/* json: Lua values written as JSON text straight into an outgoing block.
 *
 *   number     integral to 2^53: exact; other: the shortest that reads back; NaN
 *              and infinities are errors
 *   string     what is not UTF-8 in it becomes U+FFFD; characters outside the BMP become
 *              \ud83d\ude00 escapes, which old browser clients need
 *   table      with a method toJSON: what that returns, which is asked for none again; a
 *              member of an object is left out when that is nil, as JSON.stringify does it;
 *              with the metatable in registry field PML_JSON_ARRAY: an array up to
 *              its largest integer key, holes are null, other keys left out; else
 *              with exactly the keys 1..n, n >= 1: an array; else an object, number
 *              keys as their text; an empty one with the metatable in PML_JSON_EMPTY_ARRAY, as
 *              every [] that was read has it, is [], any other {}
 *   null       nil at the root, and lightuserdata NULL
 *   the rest   an error that names the path: "msg.items[3].owner: a function"
 *
 * Only toJSON is called, a function found without metamethods, through the Lua function in
 * registry field PML_JSON_CALLER (toJSON, table, key) when there is one; its error is the
 * writer's. It may do anything but wait, so what a caller looked up before must be looked
 * up again. No Lua error is raised, so a writer is never lost.
 * A text longer than PML_JSON_MAX is an error: a table that refers to another
 * twice, level by level, would otherwise fill the memory. */
#ifndef PML_SCRIPT_JSON_H
#define PML_SCRIPT_JSON_H

#include "base/buf.h"

#include <lua.h>

#define PML_JSON_ARRAY "pomelua.array"
#define PML_JSON_EMPTY_ARRAY "pomelua.array.empty"
#define PML_JSON_CALLER "pomelua.tojson"
#define PML_JSON_DEPTH 32
#define PML_JSON_MAX (32u << 20)

/* Appends the JSON text of the value at idx. 0, or PML_EINVAL with a message in
 * err (nerr bytes, at least 64); the writer is then as it was. root: the first word of paths. */
int pml_json_write(lua_State *L, int idx, pml_writer *w, const char *root, char *err, size_t nerr);
/* The same for n stack values from first on, as one JSON array, nil as null. */
int pml_json_args(lua_State *L, int first, int n, pml_writer *w, char *err, size_t nerr);

#endif
