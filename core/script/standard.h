/* standard: standard output and standard error of a program that runs. What scripts, C
 * libraries and the program itself write to stdout and stderr goes, line by line, through
 * writers (base/output): no server waits for a reader. */
#ifndef PML_SCRIPT_STANDARD_H
#define PML_SCRIPT_STANDARD_H

#include "base/log.h"

#include <lua.h>
#include <stdio.h>

typedef struct {
  pml_output *err, *out; /* the same one when both are the same file; NULL: as ever */
  FILE *was[2], *now[2];
} pml_standard;

/* Before any other thread runs. queue: bytes of lines of the log that wait. States of Lua that are
 * made from now on find them, and L, too. */
void pml_standard_begin(lua_State *L, pml_standard *s, size_t queue, int json);
/* When no other thread runs any more: all is written, in bounded time, and is as it was. */
void pml_standard_end(lua_State *L, pml_standard *s);

#endif
