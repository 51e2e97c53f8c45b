/* server_state: the Lua state of one server of a program, on the server's own thread: made, loaded
 * with require("pomelua.boot")(node, json), and closed. */
#ifndef PML_SCRIPT_SERVER_STATE_H
#define PML_SCRIPT_SERVER_STATE_H

#include "base/log_files.h"
#include "host/member.h"
#include "script/budget.h"

#include <lua.h>

/* What all servers' states of a program have in common; all borrowed. */
typedef struct {
  const char *path;         /* package.path */
  lua_CFunction core;       /* opens pomelua.core */
  pml_budget *budget;       /* NULL: scripts may run for ever */
  pml_log_files *log_files; /* NULL: scripts' log files are not opened */
} pml_server_states;

typedef struct pml_server_state pml_server_state;

/* Runs the scripts of a server up to the end of boot. *out, owned, is set also on failure, and is
 * NULL only without memory. 0, or a negative number and a message in *err, owned. */
int pml_server_state_load(const pml_server_states *all, pml_node *n, pml_member *m,
                          const char *boot, pml_server_state **out, char **err);
/* Takes s, on the thread that has loaded it. */
void pml_server_state_free(pml_server_state *s);

#endif
