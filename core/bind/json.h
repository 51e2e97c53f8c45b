/* json: Lua values written as JSON text straight into an outgoing block, and a
 * check of JSON text before lua-cjson reads it.
 *
 *   number     integral to 2^53: exact; other: the shortest that reads back; NaN
 *              and infinities are errors
 *   string     must be UTF-8; characters outside the BMP become \ud83d\ude00
 *              escapes, which old browser clients need
 *   table      with the metatable in registry field PML_JSON_ARRAY: an array up to
 *              its largest integer key, holes are null, other keys left out; else
 *              with exactly the keys 1..n, n >= 1: an array; else an object, number
 *              keys as their text
 *   null       nil at the root, and lightuserdata NULL
 *   the rest   an error that names the path: "msg.items[3].owner: a function"
 *
 * No metamethod is called, and no Lua error is raised, so a writer is never lost.
 * A text longer than PML_JSON_MAX is an error: a table that refers to another
 * twice, level by level, would otherwise fill the memory. */
#ifndef PML_BIND_JSON_H
#define PML_BIND_JSON_H

#include "base/buf.h"

#include <lua.h>

#define PML_JSON_ARRAY "pomelua.array"
#define PML_JSON_DEPTH 32
#define PML_JSON_MAX (32u << 20)

/* Appends the JSON text of the value at idx. 0, or PML_EINVAL with a message in
 * err (nerr bytes, at least 64); the writer is then as it was. root: the first word of paths. */
int pml_json_write(lua_State *L, int idx, pml_writer *w, const char *root, char *err, size_t nerr);
/* The same for n stack values from first on, as one JSON array, nil as null. */
int pml_json_args(lua_State *L, int first, int n, pml_writer *w, char *err, size_t nerr);

/* Refuses (PML_EPROTO) what lua-cjson takes though RFC 8259 does not: control
 * characters, NUL bytes, numbers such as "1." and "-.5"; and numbers no double
 * can hold. *has_null: whether there is a null. It is no parser: what it accepts
 * may still be wrong. p[n] must be 0, as it is behind a Lua string. */
int pml_json_scan(const char *p, size_t n, int *has_null);

#endif
