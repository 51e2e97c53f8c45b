/* budget: what its files share: budget (the server's side), budget_stop (how a call is stopped),
 * budget_watch (the watchdog), budget_describe (a call in words). Included by these files only. */
#ifndef PML_SCRIPT_BUDGET_PRIVATE_H
#define PML_SCRIPT_BUDGET_PRIVATE_H

#include "base/list.h"
#include "script/budget.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#define PML__BUDGET_KEY "pomelua.budget" /* in the registry: the slot of the state */

struct pml_budget {
  pthread_t watchdog;
  lua_State *owner; /* holds LuaJIT's profiler while no call is being stopped */
  uint32_t grace_ms;
  struct sigaction old_signal, old_prof;
  pthread_mutex_t lock; /* for the fields below, the profiler, and the second half of each slot */
  pthread_cond_t changed;
  pml_list slots;
  pml_budget_slot *target; /* its call is being stopped, and the owner has lost the profiler */
  int ending;
};

/* What the watchdog knows of a slot. */
typedef enum {
  PML__BUDGET_IDLE,      /* no call runs */
  PML__BUDGET_RUNNING,   /* a call runs */
  PML__BUDGET_CONDEMNED, /* the call is over its budget: the thread is signalled at every look */
} pml__budget_state;

struct pml_budget_slot {
  /* Written by the server's thread, read by the watchdog. */
  _Atomic(uint32_t) turn;     /* the number of the call: odd inside of one; renewal gives another */
  _Atomic(int) taken;         /* the handler has set the hook and taken the profiler */
  _Atomic(const char *) what; /* the call, for log lines */
  _Atomic(const uint8_t *) detail;
  _Atomic(size_t) ndetail;
  /* Written by the watchdog, read by the thread and its signal handler. */
  _Atomic(uint32_t) condemned; /* the turn that is to be stopped */
  _Atomic(uint32_t) blocked;   /* the turn that the log reports as blocked in C */
  /* Used by the thread only. */
  pml_budget *budget;
  lua_State *L;
  int depth; /* of nested calls */
  char *spared;
  size_t nspared;
  uint64_t *blocks; /* counts blocked calls; may be NULL */
  const uint32_t *generation;
  /* Under the lock; written by the thread. */
  pml_list link;
  const pml_log *log;
  pthread_t thread;
  pid_t tid;
  clockid_t clock; /* processor time of the thread */
  uint32_t ms;     /* the budget, 0: none */
  uint32_t least;  /* a budget that is not 0 is at least this */
  uint32_t mib;    /* the size of the heap that ends the process, 0: none does */
  int lines;       /* line mode is on, see budget_stop.c */
  /* Under the lock; written by the watchdog. */
  pml__budget_state state;
  uint32_t seen;         /* the turn of the last look */
  uint64_t cpu_us;       /* the thread's clock at the first look at this turn */
  uint64_t us;           /* time since then */
  uint64_t ran_us;       /* of that: the thread ran */
  uint64_t queued_us;    /* of that: the thread waited for a processor */
  uint64_t queue0_us;    /* the kernel's count of such waiting at the second look */
  uint64_t condemned_us; /* the thread's clock when the call was condemned */
};

static inline uint64_t pml__budget_clock_us(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline uint32_t pml__budget_ms(const pml_budget_slot *s) {
  return s->ms && s->ms < s->least ? s->least : s->ms;
}

/* budget_describe: what the call that runs is called for: "message chat.chatHandler.send", made
 * safe to print. From any thread and from signal handlers. */
void pml__budget_describe(const pml_budget_slot *s, char out[192]);

/* budget_stop: for the process: takes the signals and the profiler, and gives them back. */
void pml__budget_stop_begin(pml_budget *b);
void pml__budget_stop_end(pml_budget *b);
/* For the calling thread: lets the signals in, or keeps them out and forgets those on their way. */
void pml__budget_signals(int in);
/* Under the lock: line mode of the thread's own state. */
void pml__budget_lines(pml_budget_slot *s, int on);
/* Under the lock, from the watchdog: begins to stop a turn, while there is no target. */
void pml__budget_stop(pml_budget *b, pml_budget_slot *s, uint32_t turn);
/* Under the lock, from the watchdog: an earlier signal may have had no effect. */
void pml__budget_signal(pml_budget_slot *s);
/* Under the lock, from the watchdog: the target's call has ended before the handler came. */
void pml__budget_acquit(pml_budget *b, pml_budget_slot *s);
/* From the thread, when the turn that was stopped is over. Takes the lock. */
void pml__budget_recover(pml_budget_slot *s);

/* budget_watch: starts the watchdog's thread; 0 or an errno. */
int pml__budget_watch(pml_budget *b);

#endif
