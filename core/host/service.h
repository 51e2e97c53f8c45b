/* service: what the system's service manager (systemd) hears of a program, and whether the
 * program's servers still turn.
 *
 *   READY=1 with "ready"; RELOADING=1 and READY=1 around a reload; STOPPING=1 when a stop begins,
 *   and more time while it goes on; STATUS= a short line; WATCHDOG=1 at half of the time
 *
 * Each server is asked for a sign of life now and then. While one that has a limit for it
 * (serverConfig.stuck) has given none for longer, the watchdog is not fed. The time in which the
 * whole process stood still (SIGSTOP, a machine that slept) does not count. Nothing is asked and
 * no timer runs without a service manager and without such a limit.
 *
 * Of the main thread. Private to this folder. */
#ifndef PML_HOST_SERVICE_H
#define PML_HOST_SERVICE_H

#include "base/log.h"
#include "host/notify.h"
#include "host/servers.h"
#include "loop/loop.h"

typedef struct {
  pml_loop *loop;
  const pml_log *log;
  const pml__servers *servers;
  pml__notify to;
  pml_timer tick;
  uint64_t last, fed; /* times of the loop: the last look, the last WATCHDOG=1 */
  uint32_t every;     /* milliseconds between two looks */
  int ready, stopping, failed;
  unsigned reloads; /* that go on */
  char status[96];  /* the last one that was told */
} pml__service;

/* All are borrowed. quiet: nobody is told anything, as in a program inside of another. */
void pml__service_open(pml__service *s, pml_loop *l, const pml_log *log, const pml__servers *all,
                       int quiet);
void pml__service_close(pml__service *s);
/* A server has loaded, with its limit: from now on it is looked after. */
void pml__service_loaded(pml__service *s);
void pml__service_ready(pml__service *s);
/* A reload begins, or ends; several may overlap. */
void pml__service_reload(pml__service *s, int begins);
/* A stop begins. why: the line for which the program fails, or NULL. */
void pml__service_stopping(pml__service *s, const char *why);
/* A server's sign of life. */
void pml__service_pulse(pml__service *s, pml__server *m, uint64_t clients);

#endif
