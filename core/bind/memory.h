/* memory: a server's Lua heap has a soft and a hard limit, looked at between calls. Over
 * the soft one there is a full collection, at most one a second; when that does not
 * help, new requests are answered {"code":500} until it does. Over the hard one the
 * process ends with status 70 (bind/budget's watchdog sees it inside of a call, too). Nothing is
 * refused to Lua itself: an allocator that fails inside compiled code ends the process without a
 * word. */
#ifndef PML_BIND_MEMORY_H
#define PML_BIND_MEMORY_H

#include "node/node.h"

#include <lua.h>

/* Zeroed is a valid start. */
typedef struct {
  uint32_t calls;     /* private */
  uint64_t collected; /* private: when, in the loop's milliseconds */
} pml_memory;

/* After each call from C into Lua; cheap. */
void pml_memory_check(pml_memory *m, lua_State *L, pml_node *n);

#endif
