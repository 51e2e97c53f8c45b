/* memory: a server's Lua heap: when garbage is collected, and its limits.
 *
 * Collecting: LuaJIT goes through all that is alive once per cycle, so a small heap gets
 * some MiB of garbage before the next cycle begins, a large one half of what is alive. When
 * no script was called for a while, garbage is collected in small steps and the memory goes back to
 * the system.
 *
 * Limits: a soft and a hard one, looked at between calls. Over the soft one there is a full
 * collection, at most one a second; when that does not help, new requests are answered
 * {"code":500} until it does. Over the hard one the process ends with status 70 (script/budget's
 * watchdog sees it inside of a call, too). Nothing is refused to Lua itself: an allocator
 * that fails inside compiled code ends the process without a word. */
#ifndef PML_SCRIPT_MEMORY_H
#define PML_SCRIPT_MEMORY_H

#include "script/anchor.h"
#include "script/budget.h"
#include "node/node.h"

#include <lua.h>

/* All private. */
typedef struct {
  pml_timer timer; /* looks whether it is quiet, then collects */
  lua_State *L;
  pml_node *node;
  pml_budget_slot *budget;
  pml_anchor slice;     /* the function that collects for a while */
  uint32_t calls, seen; /* calls so far; as of the timer's last look */
  uint32_t held_kib;    /* at the last look */
  uint32_t left_kib;    /* by the last collection of a quiet moment */
  uint32_t cycles;      /* still to be ended in this quiet moment */
  uint64_t collected;   /* the last full collection, in the loop's milliseconds */
} pml_memory;

/* Borrows all until pml_memory_end; budget: NULL when scripts may run for ever. */
void pml_memory_begin(pml_memory *m, lua_State *L, pml_node *n, pml_budget_slot *budget);
void pml_memory_end(pml_memory *m); /* harmless when it has not begun */
/* After each call from C into Lua; cheap. */
void pml_memory_check(pml_memory *m);

#endif
