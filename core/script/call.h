/* call: the one door from C into Lua.
 *
 * Both expect a function and its nargs arguments on top of L. Whatever happens
 * they are gone afterwards. On success exactly nresults values are in their place
 * and 0 is returned; on error nothing is left and a negative code is returned.
 * No other file in core/ may call lua_pcall, lua_call or lua_resume. */
#ifndef PML_SCRIPT_CALL_H
#define PML_SCRIPT_CALL_H

#include "base/log.h"
#include "script/anchor.h"

#include <lua.h>

/* A function with arguments that are made when it is called, under its protection:
 * a value may need memory that is not there. */
typedef struct {
  const pml_anchor *fn; /* holds the function */
  int nresults;
  int (*push)(lua_State *L, const void *args); /* returns how many it pushed */
  const void *args;
} pml_lua_deferred;

/* Once per state, before the others. */
void pml_lua_call_open(lua_State *L);
/* An error is logged with its traceback, after `what`. */
int pml_lua_call(lua_State *L, int nargs, int nresults, const pml_log *log, const char *what);
/* An error's message alone goes to *err, returned owned. */
int pml_lua_try(lua_State *L, int nargs, int nresults, char **err);

/* Pushes what the two above call with one argument (nargs 1); d is borrowed until they return.
 * Needs two places on the stack, and no memory. */
void pml_lua_defer(lua_State *L, const pml_lua_deferred *d);

#endif
