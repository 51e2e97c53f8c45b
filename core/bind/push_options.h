/* push_options: the options of a push (opts), and fields of tables that scripts have made. */
#ifndef PML_BIND_PUSH_OPTIONS_H
#define PML_BIND_PUSH_OPTIONS_H

#include "base/delivery.h"
#include "script/handle.h"

typedef struct {
  const char *what; /* set before: "channel:pushMessage", for messages */
  int level;        /* set before: of the script's line on the stack; 1 is who called C */
  int binded;       /* opts.binded */
  pml_delivery how; /* opts.delivery and opts.key */
} pml_push_options;

/* Reads the table at opts. Pushes opts.except and opts.filterParam, unchecked. Warns of an option
 * that is nearly one of these, and raises when opts.delivery or opts.key is wrong. */
void pml_lua_push_options(lua_State *L, pml_lua *lua, int opts, pml_slice route,
                          pml_push_options *out);
/* Pushes a field of the table at idx: nil when its metatable raises. */
void pml_lua_field(lua_State *L, int idx, const char *key);

#endif
