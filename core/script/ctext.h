/* ctext: strings of Lua for functions of C, which take a NUL for the end: "app\0x" would name
 * another file than the script has written. */
#ifndef PML_SCRIPT_CTEXT_H
#define PML_SCRIPT_CTEXT_H

#include <lua.h>

/* The string at idx (a number's text, as with luaL_checkstring), borrowed from the stack. Raises,
 * at the line of the caller, on other types and on a string that holds a NUL; `what` says in the
 * message which value it is. */
const char *pml_lua_ctext(lua_State *L, int idx, const char *what);
/* The same for what stands in a table, which keeps the string alive: a number is refused, as its
 * text would live on the stack only. */
const char *pml_lua_ctext_field(lua_State *L, int idx, const char *what);
/* A text for a log or a report, borrowed from the stack: each NUL in it becomes "\0", two
 * characters, so that nothing behind it is lost. Raises when there is no string at idx. */
const char *pml_lua_ctext_shown(lua_State *L, int idx);

#endif
