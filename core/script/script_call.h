/* script_call: how C calls a function of a script: within the server's budget, through the door
 * script/call, and with a look at the server's memory afterwards. */
#ifndef PML_SCRIPT_SCRIPT_CALL_H
#define PML_SCRIPT_SCRIPT_CALL_H

#include "script/handle.h"

/* A function and its nargs arguments stand on top of lua->L; they are gone afterwards. what and
 * detail name the call for the log and for the watchdog's line. On success 0 and nresults values;
 * on an error, which is logged, a negative number and nothing. */
int pml_script_call(pml_lua *lua, const char *what, pml_slice detail, int nargs, int nresults);

#endif
