/* limits: facts that several files need and that must be the same in all of them. */
#ifndef PML_BASE_LIMITS_H
#define PML_BASE_LIMITS_H

#define PML_SERVER_ID_MAX 63               /* bytes of a server's id */
#define PML_ADDRESS_TEXT 46                /* room for an IP address as text, with its NUL */
#define PML_NUMBER_TEXT 40                 /* room for a number as text, with its NUL */
#define PML_INTEGER_MAX 9007199254740992.0 /* 2^53: above it, a Lua number skips integers */
#define PML_EXIT_SCRIPT 70                 /* exit status: a script made the process end */
#define PML_EXIT_CONFIG 78                 /* exit status: EX_CONFIG, the app's files are wrong */
#define PML_START_BUDGET_MS 5000           /* budget while a server starts: files are loaded */

/* The text of a number above: PML_TEXT_OF(PML_SERVER_ID_MAX) is "63". */
#define PML_TEXT_OF(macro) PML_TEXT_OF_(macro)
#define PML_TEXT_OF_(value) #value

#endif
