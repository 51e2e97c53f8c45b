/* steps: what the main thread of a program does when a server reports, and when all or some are to
 * stop: the servers are started in step and stopped in order. Private to this folder, and to the
 * main thread. */
#ifndef PML_HOST_STEPS_H
#define PML_HOST_STEPS_H

#include "host/program_private.h"

/* A message of a server, for the mailbox of the main thread; ud is the program. */
void pml__steps_mail(pml_mail *mail, void *ud);
/* Stops all servers in order, unless they are being stopped. */
void pml__steps_stop(pml_program *p);
/* Stops the servers that want to be stopped alone, one after the other. */
void pml__steps_stop_servers(pml_program *p);
/* Stops one server: see pml_program_stop_server. */
int pml__steps_stop_server(pml_program *p, const char *server, int now);
/* Ends the program with status 1 and its one line. server "": the program itself has failed. */
void pml__steps_fail(pml_program *p, const char *server, const char *text);
/* A server that starts or stops apart ends alone; any other one ends the program. */
void pml__steps_failed(pml_program *p, pml__server *s, const char *text);
/* No server of another process has the id of s, which may join. */
void pml__steps_claimed(pml_program *p, pml__server *s);
/* All servers of the app have been up once: those of this program hear of it. */
void pml__steps_all_up(pml_program *p);
/* For pml__notices_say: a warning that several servers may share. */
void pml__steps_notice(const char *server, const char *text, void *ud);
/* Fires when threads have not ended in time. */
void pml__steps_too_late(pml_timer *t);

#endif
