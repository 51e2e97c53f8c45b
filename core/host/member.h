/* member: one server of a program on its own thread, as its scripts see it. The scripts set a
 * stage, and report by the functions below, from the server's thread, at any time. Texts are
 * copied. */
#ifndef PML_HOST_MEMBER_H
#define PML_HOST_MEMBER_H

#include "host/stage.h"
#include "node/node.h"

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
/* Warnings before pml_member_loaded, one a line: what several servers have in common is one
 * line of the log. */
void pml_member_notice(pml_member *m, const char *lines);
void pml_member_failed(pml_member *m, const char *text);
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

#endif
