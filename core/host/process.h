/* process: what a program sets up for its whole process: signals, the limit of open files, the last
 * line on standard error, the end. Private to this folder, and to the main thread. */
#ifndef PML_HOST_PROCESS_H
#define PML_HOST_PROCESS_H

#include "base/log.h"
#include "loop/loop.h"

#include <uv.h>

#define PML__SIGNALS 5

typedef struct {
  void (*on_signal)(int signum, void *ud);
  void *ud;
  uv_signal_t handles[PML__SIGNALS];
} pml__signals;

/* From now on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 call on_signal, and SIGPIPE and SIGXFSZ
 * do not end the process. s stays where it is until the loop has closed its handles. */
void pml__signals_watch(pml__signals *s, pml_loop *l, void (*on_signal)(int signum, void *ud),
                        void *ud);
void pml__signals_end(pml__signals *s);

/* Raises the limit of open files as far as the system allows; warns when that is little. */
void pml__process_raise_files(const pml_log *log);
/* Whether so many servers can start with the limit; if not, the reason is in text. */
int pml__process_has_files(size_t servers, char *text, size_t size);
/* The one line for which a program does not start, or ends: server "" for the program itself. */
void pml__process_complain(const char *server, const char *text, int json);
/* Ends the process at once: no thread is waited for. */
_Noreturn void pml__process_quit(const pml_log *log, int status);

#endif
