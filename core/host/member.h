/* member: one server of a program on its own thread, as its scripts see it. The scripts set a
 * stage, and report by the functions below, from the server's thread, at any time. Texts are
 * copied. */
#ifndef PML_HOST_MEMBER_H
#define PML_HOST_MEMBER_H

#include "host/dictionaries.h"
#include "host/stage.h"
#include "net/tls_tickets.h"
#include "node/node.h"
#include "store/sqlite.h"

typedef struct pml_member pml_member;

/* Which server. Strings are borrowed. */
typedef struct {
  const char *id, *type;
  int frontend;
  const char *boot; /* passed to load */
} pml_member_spec;

/* Copied. Set while the server loads. */
void pml_member_set_stage(pml_member *m, const pml_stage *s);

void pml_member_loaded(pml_member *m);
/* What other processes hear of this server, a JSON object (bus/bus). Before pml_member_loaded, and
 * again when it has changed. */
void pml_member_info(pml_member *m, const char *json);
/* Warnings before pml_member_loaded, one a line: what several servers have in common is one
 * line of the log. */
void pml_member_notice(pml_member *m, const char *lines);
void pml_member_failed(pml_member *m, const char *text);
/* The same when the files of the app are wrong, so that another start is no cure: the exit status
 * says so (PML_EXIT_CONFIG). */
void pml_member_refused(pml_member *m, const char *text);
/* The server is up; lines: what it listens on, or "". */
void pml_member_listening(pml_member *m, const char *lines);
/* The step of the stop with that number is done. */
void pml_member_stopped(pml_member *m, pml_id number);
/* The scripts take their own time for beforeShutdown: no deadline cuts it. */
void pml_member_patient(pml_member *m);
/* Ends the whole program in order, with that status. */
void pml_member_shutdown(pml_member *m, int status);
/* The answer to stage control. */
void pml_member_answer(pml_member *m, pml_id call, const char *text);
/* Asks the program for something (pml_program_control on_wish), which answers by a question to this
 * server. PML_ENOENT: this program takes no wishes. */
int pml_member_wish(pml_member *m, pml_id number, const char *text);
/* From now on HTTP requests for these routes come to the stage; shares them. May be called again.
 * PML_ENOENT: this program has no page server for them; PML_EIO: no mailbox. */
int pml_member_serve_web(pml_member *m, pml_http_routes *routes);
/* The answer to stage web; see pml_web_calls_answer. */
int pml_member_answer_web(pml_member *m, pml_id id, pml_web_answer *a);
/* Whether it still waits for its answer. */
int pml_member_waits_web(pml_member *m, pml_id id);
/* What the servers of the program share. Borrowed; it outlives m. */
pml_dictionaries *pml_member_dictionaries(const pml_member *m);
pml_tls_tickets *pml_member_tickets(const pml_member *m);
pml_sqlite_files *pml_member_sqlite(const pml_member *m);

#endif
