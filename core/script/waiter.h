/* waiter: a function of a script that waits for something outside of Lua: a change in a folder, the
 * end of a process. Each binding embeds a pml_waiter in a structure of its own.
 *
 * A handle has a list of its waiters, so that all of them end before the Lua state is closed. */
#ifndef PML_SCRIPT_WAITER_H
#define PML_SCRIPT_WAITER_H

#include "script/handle.h"

typedef struct pml_waiter pml_waiter;
struct pml_waiter {
  pml_list node; /* private */
  pml_lua *lua;  /* read-only; borrowed */
  pml_id id;     /* read-only: different for every waiter of a handle */
  pml_anchor fn; /* read-only: the function */
  /* read-only: ends what the function waits for; pml_waiter_free follows */
  void (*cancel)(pml_waiter *w);
};

/* Returns `size` zeroed bytes, owned, that begin with a waiter for the function at index fn; raises
 * when there is none. fn 0: without a function, for what only has to end with the handle. */
void *pml_waiter_new(lua_State *L, pml_lua *lua, int fn, size_t size, void (*cancel)(pml_waiter *));
/* Its handle forgets w, which is the caller's from here on. */
void pml_waiter_leave(pml_waiter *w);
/* Takes w. */
void pml_waiter_free(pml_waiter *w);
/* The waiter of that id with that cancel, NULL: there is none. */
pml_waiter *pml_waiter_find(pml_lua *lua, pml_id id, void (*cancel)(pml_waiter *));
/* Cancels and frees all waiters of a handle. */
void pml_waiters_end(pml_lua *lua);

#endif
