/* syntax_check: a process whose only work is to parse a Lua file, since LuaJIT's parser has
 * faults that end the process it runs in. The servers start it before they load a text. */
#ifndef PML_SCRIPT_SYNTAX_CHECK_H
#define PML_SCRIPT_SYNTAX_CHECK_H

/* Reads a text from standard input and parses it under that name: 0, or 1 with the message
 * on standard error. */
int pml_syntax_check_main(const char *name);

#endif
