/* budget: how long a script may run. One that runs longer is stopped by an error,
 * with the compiler on and in every server of the process:
 *
 *   handler stopped: over its budget of 1000 ms
 *
 * The error is raised again and again, so that no pcall keeps it, until the call
 * has ended; the state is as good as before. What Lua cannot interrupt (a string.find
 * that backtracks for minutes, a finalizer, a message handler of xpcall) ends the
 * process some seconds later with one line that says what ran, and PML_EXIT_SCRIPT.
 *
 * Time is the processor time of the server's thread, so a busy machine makes no
 * script late. A call that waits in C (a read, a lock, a sleep) uses none: after a second
 * the log says so, once, and again when it has ended; it is never stopped. The time for which the
 * thread waited for a processor does not count, nor does time in which the whole process was
 * stopped.
 *
 * There is one pml_budget in a process, since LuaJIT has one profiler in a process
 * and this is built on it: scripts there cannot use it (jit.p). Takes SIGPROF and
 * SIGURG. A count hook of a debugger and this one get in each other's way. */
#ifndef PML_SCRIPT_BUDGET_H
#define PML_SCRIPT_BUDGET_H

#include "base/limits.h"
#include "base/buf.h"
#include "base/log.h"

#include <lua.h>
#include <stdint.h>

#define PML_BUDGET_GRACE_MS \
  9000 /* from the first attempt to stop a call to the end of the process */

typedef struct pml_budget pml_budget;
typedef struct pml_budget_slot pml_budget_slot; /* one server's part */

/* Starts the watchdog's thread. Returns owned; NULL: no memory or no thread. */
pml_budget *pml_budget_new(uint32_t grace_ms);
/* Takes b, which no server has joined any more. NULL is allowed. */
void pml_budget_free(pml_budget *b);

/* From the thread that runs L, outside of any call: ms is the budget, 0 for none.
 * Borrows b, L (its main thread) and log. Returns owned. */
pml_budget_slot *pml_budget_join(pml_budget *b, lua_State *L, uint32_t ms, const pml_log *log);
/* Takes s, from its thread, before lua_close. */
void pml_budget_quit(pml_budget_slot *s);

/* The rest is for the slot's thread; a slot that is NULL has no budget. */

void pml_budget_set(pml_budget_slot *s, uint32_t ms);
/* The same as least, but only while a server starts: when least is not 0. */
void pml_budget_start(pml_budget_slot *s, uint32_t ms);
/* A budget that is not 0 is at least so many ms: while a server starts. */
void pml_budget_least(pml_budget_slot *s, uint32_t ms);
/* Where calls that were blocked are counted, and the number of the scripts for the log: both
 * borrowed until quit. */
void pml_budget_tell(pml_budget_slot *s, uint64_t *blocks, const uint32_t *generation);
/* Ends the process when a call makes the state's heap grow to so many MiB; 0: never. The watchdog
 * reads LuaJIT's own count, which the thread writes meanwhile: one aligned word. */
void pml_budget_memory(pml_budget_slot *s, uint32_t mib);
/* Functions whose chunk's name begins with `prefix` (copied) are not stopped half way:
 * the error waits until another function runs. */
void pml_budget_spare(pml_budget_slot *s, const char *prefix);

/* Around every call into L; calls may nest, and the outermost counts. what and detail
 * are for the last line, and borrowed until leave. */
void pml_budget_enter(pml_budget_slot *s, const char *what, pml_slice detail);
void pml_budget_leave(pml_budget_slot *s);
/* pml_lua_call between enter and leave. */
int pml_budget_call(pml_budget_slot *s, lua_State *L, const char *what, pml_slice detail, int nargs,
                    int nresults, const pml_log *log);
/* Inside of a call, from a function that Lua calls: the script that was being
 * stopped has ended, and what follows has the whole budget. Does nothing while no call is being
 * stopped. */
void pml_budget_renew(pml_budget_slot *s);
/* The slot that has joined for L; NULL: none has. */
pml_budget_slot *pml_budget_of(lua_State *L);
/* What s runs now, "message chat.chatHandler.send (generation 1)", or "no script": for a signal
 * handler. */
void pml_budget_describe(const pml_budget_slot *s, char out[224]);
/* Whether what runs now is being stopped. */
int pml_budget_over(const pml_budget_slot *s);

#endif
